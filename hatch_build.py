"""Have the loops compiled when hatchling builds baler-core, and put them into wheels."""

from __future__ import annotations

import os
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REMEDY = "baler-core is installed with uncompiled loops: all works, about 200 times slower. Install a C compiler, then baler-core again"


class CompiledLoops(BuildHookInterface[Any]):
    """Compile loops before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for all processors of this kind, or for this one where a source tree is installed (`editable`).

        Where BALER_LOOPS asks for loops as Python runs them, `compile_loops.py` is left to whoever installs a source tree.
        """
        if self.target_name != "wheel" or (version == "editable" and os.environ.get("BALER_LOOPS") == "python"):
            return
        sys.path.insert(0, self.root)
        import compile_loops

        editable = version == "editable"
        targets = compile_loops.best_target() if editable else compile_loops.targets_here()
        try:
            compile_loops.compile_all(targets, with_sources=editable)
        except (ImportError, OSError, RuntimeError) as error:
            self.app.display_warning(f"{REMEDY}. The reason: {str(error).splitlines()[-1]}")
            return
        finally:
            sys.path.remove(self.root)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if not editable:
            for file in compile_loops.files_of(targets):
                build_data["force_include"][str(file)] = file.relative_to(self.root).as_posix()
