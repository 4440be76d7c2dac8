"""Each layer imports only from the layers below it, the core imports no plugin, and plugins only what the core exports."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import baler_core

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# The table of the architecture page, lowest first. A package stands for all of its modules.
LAYERS = re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE)
# Reached by every layer: it only re-exports.
FACADE = "baler_core"


def modules() -> list[Path]:
    return sorted((ROOT / "baler_core").rglob("*.py"))


def layer_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else FACADE


def imports(path: Path) -> set[str]:
    """Modules of the project that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == FACADE}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_layers_are_the_modules_there_are() -> None:
    there = {path.stem if path.is_file() else path.name for path in (ROOT / "baler_core").iterdir()}
    assert len(set(LAYERS)) == len(LAYERS)
    assert set(LAYERS) <= there


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_layer_imports_only_from_below(path: Path) -> None:
    own = layer_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own in (FACADE, "__init__"):
        return
    assert own in LAYERS, f"{path} is in no layer: give it its place in docs/architecture.md"
    for module in imports(path):
        other = layer_of(module)
        if module.split(".")[0] == FACADE and other in LAYERS:
            assert LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {other}, which lies above it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_no_plugin(path: Path) -> None:
    assert not any(module.split(".")[0] in ("baler_root", "baler_hdf5", "baler_fits") for module in imports(path))


@pytest.mark.parametrize(
    "path",
    [p for p in sorted((ROOT / "plugins").rglob("*.py")) if "tests" not in p.parts],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_plugins_import_only_what_the_core_exports(path: Path) -> None:
    for module in imports(path):
        if module.split(".")[0] == FACADE and module != FACADE:
            assert module.count(".") == 1, f"{path.name} reaches into {module}"
            assert module.split(".")[1] in baler_core.__all__


def test_names_are_matched_in_one_place() -> None:
    """`pt [GeV]` means one thing: nobody but `patterns` matches names by himself."""
    places = [*modules(), *sorted((ROOT / "plugins").glob("*/baler_*/**/*.py"))]
    assert [path.name for path in places if {"fnmatch", "fnmatch.fnmatchcase"} & imports(path)] == ["patterns.py"]
