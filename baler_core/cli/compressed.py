"""Show what became of one input, and the derived quantities that its file keeps, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.text import bytes_text, print_table, printable

if TYPE_CHECKING:
    from baler_core.format.header import DerivedRecord
    from baler_core.pipeline.compressed import Compressed


def one_line(compressed: Compressed, place: str) -> str:
    """Return what became of one input, and where it is."""
    sizes = f"{bytes_text(compressed.input_bytes)} of values -> {bytes_text(compressed.file_bytes)}"
    needs = f"; restored only with {compressed.trained}" if compressed.trained else ""
    return f"wrote {place} ({sizes}, ratio {compressed.ratio:.2f}{needs})"


def compressed_record(compressed: Compressed) -> dict[str, Any]:
    """Return what became of one input for programs; `share` is the part of the allowed error that was used."""
    return {
        "compressed": str(compressed.path),
        "input_bytes": compressed.input_bytes,
        "file_bytes": compressed.file_bytes,
        "ratio": compressed.ratio,
        "models": dict(compressed.models),
        "refers_to": compressed.trained or None,
        "left_out": list(compressed.left_out),
        "kept_exact": dict(compressed.kept_exact),
        "target": compressed.target or None,
        "mean_errors": dict(compressed.means),
        "errors": {name: {"largest": e.largest, "share": e.share} for name, e in compressed.errors.items()},
        "derived": [derived_record(record) for record in compressed.derived.values()],
    }


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
    """Return a derived quantity for programs."""
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
