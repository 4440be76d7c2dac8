"""Define the header of a .bal file: schema, bounds, components and blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from baler_core.data.bounds import Tolerance
from baler_core.data.error_bound import ErrorBound, allowing
from baler_core.data.rows import RowOrder
from baler_core.data.targets import Target
from baler_core.data.variables import GroupKind, Json, Layout, Schema
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class ComponentRecord:
    """A component as a file records it: enough to create it again, or to name the package to install."""

    name: str
    options: Mapping[str, Json] = field(default_factory=dict)
    package: str = ""
    version: str = ""


class PreprocessRecord(NamedTuple):
    """A preprocessor, and the variables it was applied to."""

    component: ComponentRecord
    variables: tuple[str, ...]
    state_section: int


class GroupRecord(NamedTuple):
    """A group of variables and the models that code it; the first is the chosen one, others serve single blocks."""

    kind: GroupKind
    variables: tuple[int, ...]
    models: tuple[ComponentRecord, ...]
    state_sections: tuple[int, ...]


class BlockRecord(NamedTuple):
    """A block: its groups, which of each group's models coded it, and the length of every dimension in it."""

    groups: tuple[int, ...]
    models: tuple[int, ...]
    sizes: Mapping[str, int]


class ErrorRecord(NamedTuple):
    """The largest error found in a variable, in physical units, and the largest share of what was allowed."""

    largest: float
    share: float


class UnheldRecord(NamedTuple):
    """What a derived quantity would have been without the values that are exact for it.

    Attributes
    ----------
    cells
        How many missed its bound and were corrected.
    largest, share
        The largest error, and the largest share of what is allowed to a cell.
    nbytes
        What the exact values take.
    stated
        The largest error and its share if its variables had lost all that their own bounds allow, tried on a sample;
        None if no variable has a lossy bound of its own.
    """

    cells: int = 0
    largest: float = 0.0
    share: float = 0.0
    nbytes: int = 0
    stated: tuple[float, float] | None = None


class DerivedRecord(NamedTuple):
    """A quantity that was computed from the restored values of every block, and kept.

    Attributes
    ----------
    formula
        As the user stated it.
    bound
        Of the kind `abs`, `rel` or `range`.
    cells
        How many were compared.
    exact
        How many values of its variables are stored exactly for it.
    largest, share
        The largest error, and the largest share of what was allowed to a cell.
    units
        Empty where they are not known.
    unheld
        The same before corrections; None in files of versions that did not record it.
    """

    name: str
    formula: str
    bound: ErrorBound
    cells: int = 0
    exact: int = 0
    largest: float = 0.0
    share: float = 0.0
    units: str = ""
    unheld: UnheldRecord | None = None


class TrainedRecord(NamedTuple):
    """A file of trained models without which this one cannot be decoded.

    Attributes
    ----------
    name
        Its bare file name.
    sha256
        Of all its bytes, 64 hexadecimal digits.
    sections
        For each group whose chosen model took its state from there: the section of that file.
    """

    name: str
    sha256: str
    sections: Mapping[int, int]


@dataclass(frozen=True)
class Header:
    """The header of a .bal file.

    Attributes
    ----------
    stored_as
        dtypes of variables after preprocessing, where they differ.
    first_block
        Section number of the first block; the others follow.
    input_bytes, input_file_bytes
        Native bytes of all values, and of the file they came from.
    trained
        The file of trained models it refers to, if it does.
    attachments_section
        Section number of the schema's attachments, if there are any.
    left_out
        What of the input is not in this file, and why, one sentence each.
    elsewhere
        What the input only points to, since it lies in other files, one sentence each.
    flips
        How many values of a variable changed their sign, where keeping it would have cost more than it may.
    zeros
        How many exact zeros of a variable became something else, where keeping them would have cost more than it may.
    kept_exact
        Variables that are exact in spite of a lossy bound under a pattern with wildcards, and why; when read from a
        file, in a few words (`time`).
    means
        The error on average of each variable that has a limit of it, in physical units or as a share of the values.
    target
        What the file was to reach, and the factor on all bounds that did it.
    shares
        In a file of trained models, per group: the model's bytes on the data it was trained on / those of `scalar`.
    derived
        Derived quantities that were kept.
    order
        By what the rows were sorted, if their order means nothing.
    chunks
        Lengths along dimensions of what is restored by itself, as the user wanted it.
    """

    version: str
    input_name: str
    reader: ComponentRecord
    schema: Schema
    bounds: tuple[ErrorBound, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    preprocess: tuple[PreprocessRecord, ...] = ()
    groups: tuple[GroupRecord, ...] = ()
    blocks: tuple[BlockRecord, ...] = ()
    first_block: int = 0
    errors: Mapping[str, ErrorRecord] = field(default_factory=dict)
    input_bytes: int = 0
    input_file_bytes: int = 0
    trained: TrainedRecord | None = None
    shares: tuple[float, ...] = ()
    attachments_section: int | None = None
    left_out: tuple[str, ...] = ()
    flips: Mapping[str, int] = field(default_factory=dict)
    zeros: Mapping[str, int] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    target: Target | None = None
    derived: tuple[DerivedRecord, ...] = ()
    order: RowOrder | None = None
    chunks: Mapping[str, int] = field(default_factory=dict)

    @property
    def bound_texts(self) -> list[str]:
        """The bound of each variable, with what it really allows to whole numbers, packed ones too; empty if not known."""
        found = []
        for v, bound in zip(self.schema.variables, self.bounds, strict=bool(self.bounds)):
            step = abs(v.scale)
            whole = bound.kind == "abs" and not bound.formula and math.isfinite(step) and step
            allowed = step * math.floor(bound.value / step * (1 + 1e-9)) if whole else None
            found.append(allowing(str(bound), v.dtype, allowed))
        return found or [""] * len(self.schema.variables)

    def layout(self, group: GroupRecord, sizes: Mapping[str, int]) -> Layout:
        """Return the layout of a group at the given sizes."""
        variables = tuple(map(self.schema.variables.__getitem__, group.variables))
        dims = variables[0].dims
        return Layout(
            group.kind,
            variables,
            {dim: sizes[dim] for dim in dims},
            self.schema.counts.get(dims[0], "") if dims else "",
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {variable.name: position for position, variable in enumerate(self.schema.variables)}

    def tolerance_of(self, layout: Layout) -> dict[str, Tolerance]:
        """Return tolerances of a layout's variables, by name."""
        return {variable.name: self.tolerances[self._numbers[variable.name]] for variable in layout.variables}
