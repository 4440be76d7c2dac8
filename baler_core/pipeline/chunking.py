"""Find the lengths of the chunks that a user wants to restore by themselves, along the dimensions of each group."""

from __future__ import annotations

from collections.abc import Mapping

from baler_core.data.variables import Layout, Schema
from baler_core.errors import ConfigError, did_you_mean


def refuse_unknown_dimensions(chunks: Mapping[str, int], schema: Schema) -> None:
    """Refuse lengths along dimensions that no variable has.

    Raises
    ------
    ConfigError
        With the nearest names.
    """
    for dim in chunks:
        if dim not in schema.sizes:
            raise ConfigError(f"chunks: the input has no dimension {dim!r}. {did_you_mean(dim, schema.sizes)}")


def chunks_of(chunks: Mapping[str, int], schema: Schema, layout: Layout) -> dict[str, int]:
    """Return lengths along dimensions of a group; of jagged ones, the rows that so many events have on average."""
    found = {}
    for dim in layout.sizes:
        lead, seen = dim, set[str]()
        while lead not in chunks and lead in schema.counts and lead not in seen:
            seen.add(lead)
            lead = schema[schema.counts[lead]].dims[0]
        if lead in chunks:
            events = max(1, schema.sizes[lead])
            found[dim] = max(1, -(-chunks[lead] * schema.sizes[dim] // events))
    return found
