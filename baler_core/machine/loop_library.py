"""Find the machine code of loops that was made when the package was built, for the processor at hand."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from baler_core.errors import BalerError
from baler_core.machine.records import dataclass

FOLDER = Path(__file__).parent / "loops"
# Where Linux says what the processor can do, and what it must for code of x86-64-v3 (x86-64 psABI, table 3.1).
_PROCESSOR = Path("/proc/cpuinfo")
_V3 = frozenset(["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"])
_REMEDY = "install baler-core from a wheel, or install a C compiler and then baler-core again"


@dataclass(frozen=True)
class Library:
    """Machine code of loops.

    Attributes
    ----------
    target
        The set of instructions: `x86-64-v3`, `x86-64-v2`, `generic`; or `checked` for code that checks each place, and
        `unoptimised` for code as it is written.
    listing
        `{"module function": {types of arguments: [extension module, function in it]}}`.
    """

    target: str
    listing: Mapping[str, Mapping[str, tuple[str, str]]]

    def codes(self, module: str, function: str) -> dict[str, Callable[..., object]]:
        """Return the code of a loop by the types of its arguments."""
        listed = self.listing.get(f"{module} {function}", {})
        return {types: getattr(_extension(name), place) for types, (name, place) in listed.items()}


@functools.cache
def open_library() -> Library | None:
    """Find the code for this processor; None, with a warning, if there is none.

    The environment variable BALER_LOOPS may name the target to take; `python` takes none, without a warning.

    Raises
    ------
    BalerError
        If it names one that there is not.
    """
    wanted = os.environ.get("BALER_LOOPS", "")
    if wanted == "python":
        return None
    path = FOLDER / "loops.json"
    if not path.exists():
        _warn(f"the loops of baler are not compiled: all works, about 200 times slower. To mend it, {_REMEDY}")
        return None
    contents: dict[str, Any] = json.loads(path.read_text())
    changed = next((name for name, digest in contents["sources"].items() if _digest(name) != digest), None)
    if changed is not None:
        _warn(
            f"the loops of baler were compiled before {changed} was changed, and run uncompiled, about 200 times slower: "
            "run `python compile_loops.py` in the source tree of baler-core"
        )
        return None
    targets = contents["targets"]
    if wanted and wanted not in targets:
        raise BalerError(
            f"BALER_LOOPS names {wanted!r}, but loops are compiled for {', '.join(targets)}; or take 'python'"
        )
    target = wanted or next(name for name in targets if runs_here(name))
    return Library(target, targets[target])


def _digest(name: str) -> str:
    return digest_of((FOLDER.parents[2] / name).read_bytes())


def digest_of(source: bytes) -> str:
    """Return what tells a source file from what it was when its loops were compiled."""
    return hashlib.blake2b(source, digest_size=8).hexdigest()


@functools.cache
def _extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name.partition(".")[0], FOLDER / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_here(target: str) -> bool:
    """Whether this processor runs code for a target; anything but v3 is made for all processors."""
    if target in ("checked", "unoptimised"):
        return False
    if target != "x86-64-v3":
        return True
    try:
        lines = _PROCESSOR.read_text().splitlines()
    except OSError:
        return False
    return set(next((line for line in lines if line.startswith("flags")), "").split()) >= _V3


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
