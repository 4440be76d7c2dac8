"""Write and read the steps that a block states itself: of errors limited on average, and of tiles by their noise."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace

from baler_core.data.bounds import Tolerance
from baler_core.data.noise_steps import checked_steps, tiles_of
from baler_core.data.variables import Layout
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError
from baler_core.pipeline.tuning import first_steps, with_step

STEP_STREAM = "&"
_STEP = struct.Struct("<d")
_TILES = struct.Struct("<dI")


def encode_steps(steps: Mapping[str, float], tolerances: Mapping[str, Tolerance]) -> bytes:
    """Return eight bytes for each variable with a limit on average, and some bits per tile of those bound by noise."""
    tiles = [one.tiles for one in tolerances.values() if one.tiles is not None]
    return b"".join(
        [
            *map(_STEP.pack, steps.values()),
            *(write_sized(_TILES.pack(one.centre, one.seed) + pack_integers(one.exponents)) for one in tiles),
        ]
    )


def decode_steps(data: bytes, layout: Layout, tolerances: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """Return the tolerances with the steps that a block states.

    Raises
    ------
    FormatError
        If it does not state them, or impossible ones.
    """
    reader = ByteReader(data, "the steps of a block")
    found = dict(tolerances)
    for name in first_steps(tolerances, layout.variables):
        (step,) = _STEP.unpack(reader.take(_STEP.size))
        if not 0 <= step < math.inf:
            raise FormatError(f"the step of {name!r} is {step}")
        found[name] = with_step(tolerances[name], step)
    for variable in layout.variables:
        if tolerances[variable.name].noise is not None:
            stored, shape = ByteReader(reader.sized(), reader.what), layout.shape(variable)
            centre, seed = _TILES.unpack(stored.take(_TILES.size))
            tiles = checked_steps(unpack_integers(stored.rest(), tiles_of(shape)), centre, seed)
            found[variable.name] = replace(tolerances[variable.name], tiles=tiles, each=tiles.each(shape))
    if reader.left:
        raise FormatError("a block states more steps than its variables have")
    return found
