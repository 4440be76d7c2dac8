"""The API reference lists what `baler_core` exports, and docstrings describe all of it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import baler_core
import baler_core.testing

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
# On the page, with a sentence, since a docstring of theirs says nothing or they can have none.
DATA = set(re.findall(r"^\.\. py:data:: baler_core\.(\w+)\n\n   \S.{9,}$", PAGE, re.MULTILINE))
CLASSES = {name: getattr(baler_core, name) for name in baler_core.__all__ if name not in DATA}
CLASSES = {name: one for name, one in CLASSES.items() if inspect.isclass(one)}


@pytest.mark.parametrize("module", [baler_core, baler_core.testing], ids=lambda module: module.__name__)
def test_every_name_is_on_the_page_and_no_other(module: ModuleType) -> None:
    found = re.findall(rf"^\.\. \S+:: {re.escape(module.__name__)}\.(\w+)$", PAGE, re.MULTILINE)
    assert sorted(found) == sorted(module.__all__)
    for kind, name in re.findall(rf"^\.\. auto(\w+):: {re.escape(module.__name__)}\.(\w+)$", PAGE, re.MULTILINE):
        assert inspect.isclass(getattr(module, name)) == (kind == "class")


@pytest.mark.parametrize("module", [baler_core, baler_core.testing], ids=lambda module: module.__name__)
def test_everything_has_a_docstring_of_its_own(module: ModuleType) -> None:
    for name in set(module.__all__) - DATA:
        text = inspect.getdoc(getattr(module, name)) or ""
        # That of dataclasses without one is their signature.
        assert text, name
        assert not text.startswith(f"{name}("), name


@pytest.mark.parametrize("name", CLASSES)
def test_methods_and_fields_are_described(name: str) -> None:
    members = {key: value for key, value in vars(CLASSES[name]).items() if not key.startswith("_")}
    for key, value in members.items():
        plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        assert not inspect.isfunction(plain) or inspect.getdoc(getattr(CLASSES[name], key)), f"{name}.{key}"
    if not dataclasses.is_dataclass(CLASSES[name]):
        return
    text = inspect.getdoc(CLASSES[name]) or ""
    for field in dataclasses.fields(CLASSES[name]):
        assert field.name.startswith("_") or re.search(rf"^(?:\w+, )*{field.name}(?:, \w+)*$", text, re.MULTILINE), (
            field.name
        )
