"""Tells what a choice of variables keeps out of a file, as the sentence that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baler_core.errors import BalerError
from baler_core.plugin.reading import Reader, Source

# So many names are listed.
_LISTED = 6


def choice_sentence(kept: Sequence[str], unchosen: Sequence[str] | None) -> str:
    """Return what a file does not hold since other variables were chosen; empty if that is nothing.

    Parameters
    ----------
    unchosen
        The variables that were not chosen; None if they are not known.
    """
    if unchosen is None:
        return f"chosen: {len(kept):,} variables; what other variables the input had is not known, and not in this file"
    others = [name for name in dict.fromkeys(unchosen) if name not in set(kept)]
    if not others:
        return ""
    more = f" and {len(others) - _LISTED:,} more" if len(others) > _LISTED else ""
    listed = ", ".join(others[:_LISTED])
    return f"chosen: {len(kept):,} of {len(kept) + len(others):,} variables; not in this file: {listed}{more}"


def add_choice(source: Source, path: Path, reader: Reader) -> None:
    """Add to what a source leaves out the variables of its file that were not chosen.

    A source that does not state them is compared with all of the file, where opening that costs little.
    """
    unchosen = source.unchosen
    if unchosen is None and source.opens_fast:
        try:
            with reader.open(path) as whole:
                unchosen = [*whole.schema.names, *whole.as_stored]
        except BalerError:  # what cannot be kept may be why others were chosen
            unchosen = None
    if sentence := choice_sentence(source.schema.names, unchosen):
        source.warnings = (*source.warnings, sentence)
