"""A folder is a layer that imports only from layers below it; the core imports no plugin, and plugins only its exports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import baler_core

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "baler_core"
ROW = re.compile(r"^\| `([\w/]+)` \|.*\|([^|]*)\|$", re.MULTILINE)
# The plan of the project's own plugins, lowest first; a reader, sources and sinks stand above it.
PLAN = ("contents", "values", "schema")
ALONE = {"autoencoder", "fields", "table", "fields/predictive", "fields/transform"}


def layers() -> dict[str, list[str]]:
    """The layers of the architecture page, lowest first, with their modules; those of models under their full names."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    start = page.index("## Layers")
    rows = ROW.findall(page[start : page.index("\n## ", start + 1)])
    named = {name: modules.replace("`", "").split() for name, modules in rows if name.split("/")[0] != "models"}
    models = {
        f"builtin/{name}": modules.replace("`", "").split() for name, modules in rows if name.startswith("models")
    }
    order = list(named)
    before = order[: order.index("builtin/models")]
    after = order[order.index("builtin/models") + 1 :]
    assert len(rows) == len(named) + len(models)
    return {name: named[name] for name in before} | models | {name: named[name] for name in after}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Modules of the project that a file imports, anywhere in it, as `baler_core.data.bounds`."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer_of(module: str) -> str:
    """The layer of a module of the core: its folder, or the module itself at the top."""
    inside = module.split(".")[1:]
    folder = inside if (CORE / "/".join(inside)).is_dir() else inside[:-1]
    return "/".join(folder or inside)


def core_modules() -> Iterator[tuple[Path, str]]:
    """Paths and layers of all modules but the façade."""
    for path in sorted(CORE.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if module != "baler_core":
            yield path, layer_of(module)


def test_every_module_is_named_on_its_layer() -> None:
    found: dict[str, set[str]] = {}
    for path, layer in core_modules():
        names = found.setdefault(layer, set())
        if path.parent != CORE and path.stem != "__init__":
            names.add(path.stem)
    page = {layer: set(modules) for layer, modules in layers().items()}
    assert found == page, "docs/architecture.md names the modules of each layer"
    assert len([path for path in CORE.iterdir() if path.name not in ("__init__.py", "__pycache__", "py.typed")]) <= 20


def test_a_layer_imports_only_from_itself_and_from_below() -> None:
    order = list(layers())
    for path, layer in core_modules():
        for module in imports(path):
            if module.split(".")[0] != "baler_core" or module == "baler_core" or layer == "builtin":
                continue
            other = layer_of(module)
            assert order.index(other) <= order.index(layer), f"{path} imports {module}, which lies above it"


def test_the_doors_of_other_libraries_need_the_python_interface_alone() -> None:
    for path in (CORE / "doors").glob("*.py"):
        assert {layer_of(module) for module in imports(path) if module.startswith("baler_core.")} <= {"api", "doors"}


def test_no_module_imports_one_that_imports_it() -> None:
    for package in (CORE, *sorted((ROOT / "plugins").glob("*/baler_*"))):
        found = {
            ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
            for path in package.rglob("*.py")
        }
        TopologicalSorter({name: {*imports(path)} & {*found} - {name} for name, path in found.items()}).prepare()


def test_folders_know_few_others() -> None:
    """Each pair of folders of which one imports from the other is one more thing to know."""
    pairs = {
        (path.relative_to(CORE).parts[0].removesuffix(".py"), module.split(".")[1])
        for path in CORE.rglob("*.py")
        for module in imports(path)
        if module.startswith("baler_core.")
    }
    assert len([None for one, other in pairs if one != other]) <= 80


def test_models_of_different_kinds_do_not_know_each_other() -> None:
    prefix = "builtin/models/"
    for path, layer in core_modules():
        for other in {layer_of(module) for module in imports(path) if module.startswith("baler_core.builtin.models")}:
            one, two = layer.removeprefix(prefix), other.removeprefix(prefix)
            if layer.startswith(prefix) and other.startswith(prefix):
                assert one.split("/")[0] == two.split("/")[0], f"{path} imports from {other}"
                assert not (one != two and {one, two} <= ALONE and "fields" not in (one, two)), f"{path}: {other}"


def test_plugins_import_only_what_the_core_exports_and_the_core_no_plugin() -> None:
    for path in CORE.rglob("*.py"):
        assert not any(
            module.split(".")[0]
            in ("baler_root", "baler_hdf5", "baler_fits", "baler_parquet", "baler_zarr", "baler_vtk")
            for module in imports(path)
        )
    for path in (ROOT / "plugins").rglob("*.py"):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "baler_core":
                assert node.module == "baler_core", f"{path} reaches into {node.module}"
                assert {alias.name for alias in node.names} <= set(baler_core.__all__), path
        layer = path.relative_to(ROOT / "plugins").parts[2]
        for module in imports(path):
            other = module.split(".")[1] if module.startswith("baler_") and "." in module else ""
            if layer in PLAN and module.split(".")[0] == path.relative_to(ROOT / "plugins").parts[0]:
                assert other in PLAN[: PLAN.index(layer) + 1], f"{path} imports {module}"


def test_names_are_matched_in_one_place() -> None:
    """`pt [GeV]` means one thing: nobody but `patterns` matches names by himself."""
    places = [path for path, _ in core_modules()] + sorted((ROOT / "plugins").glob("*/baler_*/**/*.py"))
    assert [path.name for path in places if "fnmatch" in imports(path)] == ["patterns.py"]
