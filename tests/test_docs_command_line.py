"""The command-line page lists the commands and exit codes that there are."""

from __future__ import annotations

import re
from pathlib import Path

from baler_core import errors
from baler_core.cli import COMMANDS, failures, stopping

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "command_line.md").read_text(encoding="utf-8")


def test_every_command_is_listed_and_no_other() -> None:
    assert re.findall(r"^\| `baler ([\w-]+)", TEXT, re.MULTILINE) == list(COMMANDS)


def test_every_exit_code_is_listed_and_no_other() -> None:
    named = {**vars(errors), **vars(failures), **vars(stopping)}
    codes = {value for name, value in named.items() if name[0].isupper() and name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)} == codes
