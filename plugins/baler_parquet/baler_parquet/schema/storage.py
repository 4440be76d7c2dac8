"""What of a Parquet file besides its values is stored, and what of that a restored file cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from baler_parquet.contents.files import ParquetFile
from baler_parquet.contents.storage import facts_of, has_second_pages
from baler_parquet.values.writing import way_of_writing

if TYPE_CHECKING:
    import pyarrow as pa


def storage_of_file(file: ParquetFile, schema: pa.Schema, places: Sequence[int]) -> tuple[dict[str, Any], list[str]]:
    """Return the record of how a file is stored, and what cannot be restored.

    Parameters
    ----------
    schema, places
        Of the columns that are kept.
    """
    meta = file.file.metadata
    facts, warnings = facts_of(meta), []
    arrow_schema = b"ARROW:schema" in (meta.metadata or {})
    original = file.file.schema
    whole = len(places) == len(file.schema)
    way, difference = way_of_writing(schema, original, facts, arrow_schema=arrow_schema)
    if whole and difference:
        warnings.append(f"{file.path}: columns are stored in a form that the restored file does not have: {difference}")
    if not whole:
        facts = _narrowed(facts, file, places)
    pages = "2.0" if has_second_pages(file) else "1.0"
    return {**way, "pages": pages, "facts": facts}, warnings


def _narrowed(facts: dict[str, Any], file: ParquetFile, places: Sequence[int]) -> dict[str, Any]:
    """The facts of some columns: of nested ones, those of the first part stand for all."""
    names = file.schema.names
    kept = {names[place] for place in places}
    paths = [file.file.schema.column(n).path for n in range(len(file.file.schema))]
    chosen = [n for n, path in enumerate(paths) if path.split(".")[0] in kept or path in kept]
    moved = {old: new for new, old in enumerate(chosen)}
    groups = [[row[n] for n in chosen] if row else [] for row in facts["groups"]]
    sorting = [[moved[n], *rest] for n, *rest in facts["sorting"] if n in moved]
    return {**facts, "groups": groups, "sorting": sorting}
