"""Show derived quantities that a .bal file keeps: formula, bound, largest error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from baler_core.cli.text import print_table, printable
from baler_core.format.header import DerivedRecord


def show_derived(records: Sequence[DerivedRecord]) -> None:
    """Print a table of the quantities, if there are any."""
    rows = [
        (
            printable(record.name),
            printable(record.formula),
            str(record.bound),
            f"{record.largest:.2g} {printable(record.units)}".rstrip(),
            f"{record.share:.0%}",
            f"{record.cells:,}",
            f"{record.exact:,}",
        )
        for record in records
    ]
    if rows:
        click.echo()
        print_table(
            rows, header=("derived", "formula", "bound", "largest error", "of allowed", "cells", "exact for it")
        )


def derived_record(record: DerivedRecord) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "name": record.name,
        "formula": record.formula,
        "bound": str(record.bound),
        "units": record.units,
        "largest_error": record.largest,
        "share": record.share,
        "cells": record.cells,
        "exact_values": record.exact,
    }
