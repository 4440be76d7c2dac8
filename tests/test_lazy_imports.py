"""Only what a file needs is imported; what is said about where things are is true."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from baler_core.api import exports
from baler_core.builtin import PLACES, component_at

GOLDEN = Path(__file__).parent / "golden"
MODELS = "baler_core.builtin.models."
OTHERS = ("yaml", f"{MODELS}table.model", f"{MODELS}fields", "baler_core.pipeline.job")
# What encoders need, and decoders do not.
ENCODERS = (
    "yaml",
    *(f"baler_core.pipeline.{name}" for name in ("job", "block_coding", "block_team", "candidates", "group_coder")),
    *(f"{MODELS}table.{name}" for name in ("planning", "sample", "trials", "network.training")),
    *(f"{MODELS}table.relations.{name}" for name in ("linear", "order", "search", "virtual")),
    *(f"{MODELS}fields.predictive.{name}" for name in ("joint_fields", "plan", "estimate", "phases", "stencil_fit")),
    *(f"{MODELS}fields.predictive.{name}" for name in ("classes", "sampling")),
    *(f"{MODELS}fields.transform.{name}" for name in ("joint_fields", "plan", "choice", "search", "sampled_block")),
)
KINDS = ("table", "predictive", "transform")
CSV = "baler_core.builtin.readers.csv"


def test_places_of_exports_are_those_of_their_imports() -> None:
    tree = ast.parse(Path(exports.__file__).read_text(encoding="utf-8"))
    stated = {
        (node.module, alias.name, alias.asname or alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("baler_core")
        for alias in node.names
    }
    places = {
        (module, name.rpartition("=")[2], name.partition("=")[0])
        for module, names in exports.PLACES.items()
        for name in names.split()
    }
    assert places == stated
    assert sorted(name for _, _, name in places) == sorted(exports.__all__)


def test_components_are_called_as_their_places_say() -> None:
    for places in PLACES.values():
        for name, place in places.items():
            assert component_at(place).name == name


def test_restoring_a_file_imports_what_it_needs() -> None:
    code = (
        "import sys, baler_core\n"
        f"baler_core.open({str(GOLDEN / 'scalar-0.1.0.bal')!r}, as_='numpy')\n"
        f"print([name for name in sys.modules if name.startswith({(*OTHERS, CSV)!r})])\n"
        "from baler_core.plugin.registry import load_plugins\n"
        "print(len(load_plugins().names('model')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", str(len(PLACES["model"]))]


def test_showing_and_restoring_imports_no_encoder(tmp_path: Path) -> None:
    restored = str(tmp_path / "restored.npz")
    shown = ["info", str(GOLDEN / "table-0.1.0.bal")]
    commands = [["decompress", str(GOLDEN / f"{name}-0.1.0.bal"), "-o", restored, "--force"] for name in KINDS]
    code = (
        "import sys\n"
        "from baler_core.cli import cli\n"
        "def found(names):\n"
        "    print('found', [name for name in sys.modules if name.startswith(names)])\n"
        f"cli.main({shown!r}, standalone_mode=False)\n"
        f"found({('pydantic', 'pluggy', 'multiprocessing', MODELS, 'baler_core.config')!r})\n"
        f"for command in {commands!r}:\n"
        "    cli.main(command, standalone_mode=False)\n"
        f"    found({(*ENCODERS, 'multiprocessing')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("found")] == ["found []"] * (1 + len(KINDS))
