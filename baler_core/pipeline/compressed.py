"""Define what compressing one file gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from baler_core.data.seeds import SeedSpread
from baler_core.format.header import DerivedRecord, ErrorRecord
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class Compressed:
    """What compressing a file gave.

    Attributes
    ----------
    input_bytes
        Bytes of all values in their native dtypes, of text in UTF-8 and one more per cell.
    file_bytes
        Bytes of the whole .bal file.
    errors
        Largest error per lossy variable.
    models
        Name of the chosen model per group.
    histories
        Training history per group, of models that keep one.
    seeds
        What training from several seeds gave, per group, of models that were.
    trained
        Name of the file of trained models that is needed to restore it; empty if none is.
    left_out
        What of the input is not in the file, one sentence each.
    kept_exact
        Variables that are exact in spite of a lossy bound under a pattern with wildcards, and why.
    flips
        How many values of a variable changed their sign, within the bound, where keeping it would have cost too much.
    zeros
        How many exact zeros of a variable that has many became something else, for the same reason.
    means
        The error on average of each variable that has a limit of it, in physical units or as a share of the values.
    target
        What was reached of a target, in a sentence.
    derived
        Derived quantities that were kept, each with its largest error.
    corrections
        How many values of a variable are stored exactly beside what the model made of it, since it broke their bound.
    values
        How many values there are of all variables.
    learned_anew
        Groups that the trained models it was given did not suit.
    """

    path: Path
    input_bytes: int
    file_bytes: int
    errors: Mapping[str, ErrorRecord]
    models: Mapping[str, str]
    histories: Mapping[str, object]
    trained: str = ""
    left_out: Sequence[str] = ()
    flips: Mapping[str, int] = field(default_factory=dict)
    zeros: Mapping[str, int] = field(default_factory=dict)
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    target: str = ""
    derived: Mapping[str, DerivedRecord] = field(default_factory=dict)
    seeds: Mapping[str, SeedSpread] = field(default_factory=dict)
    corrections: Mapping[str, int] = field(default_factory=dict)
    values: int = 0
    learned_anew: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Compression ratio, everything in the file counted."""
        return self.input_bytes / self.file_bytes
