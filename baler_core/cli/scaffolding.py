"""Implement `baler new-plugin`: a package with a working component of each kind asked for, and its tests."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click

from baler_core.cli.options import FilePath, common_options
from baler_core.cli.outputs import refuse_stream
from baler_core.errors import ConfigError

KINDS = ("reader", "model", "preprocessor", "loss", "metric", "quantity", "object")
# What the tests of each kind import, from baler_core and from baler_core.testing, beside the component itself.
_IMPORTS = {
    "reader": (("DataError",), ("check_hostile_reader", "check_reader")),
    "model": ((), ("check_hostile_model", "check_model", "check_threads")),
    "preprocessor": (("Tolerance",), ("check_preprocessor",)),
    "loss": ((), ()),
    "metric": (("Variable", "make_block"), ("check_metric",)),
    "quantity": ((), ()),
    "object": ((), ("check_object_kind",)),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_PLURALS = {"loss": "losses", "quantity": "quantities"}


@click.command(name="new-plugin")
@click.argument("name")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), default=("reader", "metric"), show_default=True,
    help="What it offers; may be repeated.",
)  # fmt: skip
@click.option("-o", "--output", type=FilePath(), help="The folder to make [baler-NAME].")
@common_options
def new_plugin(name: str, kinds: Sequence[str], output: Path | None) -> None:
    """Write a package called baler-NAME that offers components, each a working example, with tests that pass."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} cannot be the name of a plugin: wanted small letters, digits and _, such as 'lidar'"
        )
    refuse_stream(output, "a package")
    folder = output or Path(f"baler-{name.replace('_', '-')}")
    if folder.exists():
        raise ConfigError(f"{folder} already exists: choose another folder with -o")
    written = _package(name, list(dict.fromkeys(kinds)))
    for place, text in written.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        click.echo(f"wrote {target}")
    click.echo(f"\nThen: pip install -e '{folder}[test]' && pytest {folder}")


def _package(name: str, kinds: Sequence[str]) -> dict[str, str]:
    """Return the files of a package."""
    title = "".join(part.capitalize() for part in name.split("_"))
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "core": "baler-core[networks]" if "loss" in kinds else "baler-core",
    }
    words |= {"kinds": ", ".join(kinds), "Words": f"{title}: {', '.join(kinds)}", "Source": f"{title}Source"}
    words |= {"Sink": f"{title}Sink", "Options": f"{title}Options", "Record": f"{title}Record"}
    classes = {kind: f"{title}{kind.capitalize()}" for kind in kinds}
    hooks = [
        _filled("hook.py", {**words, "kind": kind, "plural": _plural(kind), "Class": classes[kind]}) for kind in kinds
    ]
    package = f"baler_{name}"
    body = "".join(_filled(f"test_{kind}.py", {**words, "Class": classes[kind]}) for kind in kinds)
    head = _filled("test_head.py", {**words, "imports": _imports(name, classes, words["Record"], body)})
    found = {
        "pyproject.toml": _filled("pyproject.toml", words),
        "README.md": _filled("README.md", words),
        f"{package}/__init__.py": _filled("init.py", {**words, "hooks": "\n\n".join(hooks).rstrip("\n")}),
    }
    for kind in kinds:
        found[f"{package}/{kind}.py"] = _filled(f"{kind}.py", {**words, "Class": classes[kind]})
    return {**found, f"tests/test_{name}.py": head + body}


def _imports(name: str, classes: dict[str, str], record: str, body: str) -> str:
    """Return the lines that import what the tests of these components use."""
    standard = ["from pathlib import Path"] if "Path" in body else []
    other = [line for line, word in (("import numpy as np", "np."), ("import pytest", "pytest.")) if word in body]
    core = ["import baler_core"] if "baler_core." in body else []
    core += _import_of("baler_core", {one for kind in classes for one in _IMPORTS[kind][0]})
    core += _import_of("baler_core.testing", {one for kind in classes for one in _IMPORTS[kind][1]})
    for kind in sorted(classes):
        wanted = [classes[kind], *([record] if kind == "object" else [])]
        core += _import_of(f"baler_{name}.{kind}", {one for one in wanted if f"{one}(" in body})
    return "\n\n".join("\n".join(lines) for lines in (standard, other, core) if lines)


def _import_of(module: str, names: set[str]) -> list[str]:
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) > 120:
        line = f"from {module} import (\n" + "".join(f"    {one},\n" for one in sorted(names)) + ")"
    return [line] if names else []


def _plural(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind}s")


def _filled(template: str, words: dict[str, str]) -> str:
    """Return a template with words in the place of names in braces."""
    text = files("baler_core.cli").joinpath("new_plugin", f"{template}.txt").read_text(encoding="utf-8")
    return text.format(**words)
