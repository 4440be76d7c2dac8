"""`baler evaluate` and `baler plot`: what was lost, in numbers and in pictures."""

from __future__ import annotations

from pathlib import Path

import click

from baler_core.cli.options import common_options

_PATH = click.Path(path_type=Path)


@click.command(short_help="Compare a data file with its restored form.")
@click.argument("original", type=_PATH)
@click.argument("restored", type=_PATH)
@common_options
def evaluate(original: Path, restored: Path) -> None:
    """Compare ORIGINAL with RESTORED, a restored file or the .bal file itself."""


@click.command(short_help="Draw variables before and after.")
@click.argument("original", type=_PATH)
@click.argument("restored", type=_PATH)
@common_options
def plot(original: Path, restored: Path) -> None:
    """Draw variables of ORIGINAL and RESTORED."""
