"""Show derived quantities that a .bal file keeps: formula, bound, largest error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from baler_core.cli.text import bytes_text, print_table, printable
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
            f"{record.unheld.cells:,}" if record.unheld is not None else "",
            f"{record.exact:,}",
            bytes_text(record.unheld.nbytes) if record.unheld is not None else "",
        )
        for record in records
    ]
    if rows:
        click.echo()
        print_table(
            rows,
            header=(
                "derived",
                "formula",
                "bound",
                "largest error",
                "of allowed",
                "cells",
                "corrected",
                "exact for it",
                "bytes of these",
            ),
        )


def derived_record(record: DerivedRecord) -> dict[str, Any]:
    """Return the same for programs."""
    found: dict[str, Any] = {
        "name": record.name,
        "formula": record.formula,
        "bound": str(record.bound),
        "units": record.units,
        "largest_error": record.largest,
        "share": record.share,
        "cells": record.cells,
        "exact_values": record.exact,
    }
    before = record.unheld
    if before is not None:
        found |= {
            "exact_bytes": before.nbytes,
            "corrected_cells": before.cells,
            "largest_error_before": before.largest,
            "share_before": before.share,
        }
        if before.stated is not None:
            found |= {"largest_error_by_bounds": before.stated[0], "share_by_bounds": before.stated[1]}
    return found
