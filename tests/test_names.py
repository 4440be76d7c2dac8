"""A class name stands for one thing: within a distribution, no two modules define a class of the same name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = [
    REPOSITORY / "baler_core",
    *sorted(p for p in REPOSITORY.glob("plugins/*/*") if (p / "__init__.py").is_file() and p.name != "tests"),
]


@pytest.mark.parametrize("package", DISTRIBUTIONS, ids=lambda package: package.name)
def test_a_class_name_is_used_once(package: Path) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(package).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
