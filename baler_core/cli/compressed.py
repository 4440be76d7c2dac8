"""Show what became of one input of `baler compress`, as a sentence and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baler_core.cli.derived import derived_record
from baler_core.cli.text import bytes_text

if TYPE_CHECKING:
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
