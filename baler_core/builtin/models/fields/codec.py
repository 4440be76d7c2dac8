"""What models of fields code together, and the functions that each of them names for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, NamedTuple, SupportsBytes, TypeAlias

import numpy as np

from baler_core.builtin.models.fields.layout import Arrangement, Box
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Variable
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Effort, State


class Prepared(NamedTuple):
    """A variable, and what a codec made of its values before coding (a `Field` of its own).

    Attributes
    ----------
    chunk
        Length along each axis of the chunks that it is to be cut into; none where nobody asks for any.
    """

    variable: Variable
    field: Any
    chunk: tuple[int, ...] = ()


@dataclass(frozen=True)
class JointFields:
    """Variables coded together, and how their arrays are arranged.

    Attributes
    ----------
    expected
        About the bytes they will take.
    recipe
        What the codec found out while planning and encodes by; None if nothing. It is only ever read.
    known
        What was learned of such fields from another file; then they are not planned, and nothing is expected of them.
    by_reference
        Whether decoders will know it too.
    """

    members: tuple[Prepared, ...]
    arrangement: Arrangement
    expected: float = 0.0
    recipe: Any = None
    known: State = field(default_factory=dict)
    by_reference: bool = False


# Restores all values, or those of a region, from the bytes, the variables, the shape of their arrays, and what was learned
# from another file, which is empty unless the file refers to it. FormatError if what is needed is damaged.
Decode: TypeAlias = Callable[[SupportsBytes, Sequence[Variable], tuple[int, ...], State, Box | None], list[np.ndarray]]


def _unchanged(fields: JointFields) -> JointFields | None:
    return fields


def _never(known: State) -> bool:
    return False


@dataclass(frozen=True)
class Sketch:
    """Joint fields planned on samples alone.

    Attributes
    ----------
    fields
        With the bytes that they may take.
    leeway
        How many times fewer they may take.
    finish
        Plans them on more than samples, given what another model expects (`Hints.rival`).
    """

    fields: Sequence[JointFields]
    leeway: float
    finish: Callable[[float], list[JointFields]]


@dataclass(frozen=True)
class FieldCodec:
    """The functions by which one model of fields encodes.

    Attributes
    ----------
    prepare
        Makes values of rank 2 or more, at least one, ready under their tolerance; None if they cannot be held.
    sketch
        Sorts all prepared variables, which have one shape, into joint fields, with some effort.
    encode
        Encodes joint fields as bytes; none if it turns out that they cannot be held.
    learn
        Keeps what of joint fields helps to code such fields of other files, as few arrays by name.
    adapt
        Makes joint fields as planned for another file suit this one; None if they cannot.
    gains
        Whether decoding makes use of what was learned.
    """

    prepare: Callable[[np.ndarray, Tolerance], Any | None]
    sketch: Callable[[Sequence[Prepared], Effort], Sketch]
    encode: Callable[[JointFields, Effort], bytes]
    learn: Callable[[JointFields, Effort], State]
    adapt: Callable[[JointFields], JointFields | None] = _unchanged
    gains: Callable[[State], bool] = _never
