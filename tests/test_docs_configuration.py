"""The configuration reference says what the schema says, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from baler_core.config import load_config
from baler_core.config.schema import ConfigFile
from baler_core.plugin.interfaces import Training
from baler_core.plugin.registry import load_plugins

DOCS = Path(__file__).resolve().parents[1] / "docs"
TEXT = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def default_text(value: object) -> str:
    """A default as one writes it in a configuration."""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, dict):
        return f"`{value['name']}`" if value else ""
    if isinstance(value, list):
        return f"`[{', '.join(default_text(item).strip('`') for item in value)}]`" if value else ""
    if isinstance(value, float) and value < 0.01:
        return f"`{value:.1e}`".replace("e-0", "e-")
    return "" if value is None else f'`"{value}"`' if value == "*" else f"`{value}`"


@pytest.mark.parametrize("schema", [ConfigFile, Training])
def test_every_key_is_listed_as_the_schema_has_it(schema: type[BaseModel]) -> None:
    rows = [f"| `{n}` | {default_text(f.default)} | {f.description} |" for n, f in schema.model_fields.items()]
    rows = [row.replace("|  |", "| |") for row in rows]
    assert "\n".join(rows) + "\n" in TEXT


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_right(example: str, tmp_path: Path) -> None:
    for name in ("jets.npz", "first.npz", "run1.npz"):
        (tmp_path / name).touch()
    (tmp_path / "c.yaml").write_text(example)
    assert load_config(tmp_path / "c.yaml", load_plugins()).inputs
