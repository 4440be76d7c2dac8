"""Hold one variable as numbers to predict: in steps of its tolerance, on a lattice, or exactly, by cells or steps of floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from baler_core.builtin.models.fields import holes
from baler_core.builtin.models.fields.layout import Arrangement, Box
from baler_core.builtin.models.fields.predictive.cell_sizes import cells_of
from baler_core.builtin.models.fields.predictive.field import LARGEST, fits
from baler_core.builtin.models.fields.predictive.float_cells import FloatCells
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.data.bounds import Tolerance
from baler_core.data.spacing import common_trailing_zeros
from baler_core.entropy.integers import estimated_bytes
from baler_core.machine.records import dataclass
from baler_core.quantise import slice_steps
from baler_core.quantise.lattice import BitsLattice, Lattice, StepLattice, classify
from baler_core.quantise.lattice_fit import fit_lattice, float_specials
from baler_core.quantise.slice_steps import PlacedSteps, SliceSteps, fit_slice_steps
from baler_core.quantise.tile_steps import PlacedTiles, TileSteps
from baler_core.quantise.tile_steps_fit import fit_tile_steps
from baler_core.quantise.units import Units, choose_units

Floats: TypeAlias = FloatCells | SliceSteps | TileSteps
Scale: TypeAlias = Units | Lattice | Floats
Kind = Literal["lattice", "units", "cells", "steps", "whole units", "tile steps"]
# The shape of all values, how they are arranged, and a part of them.
Where: TypeAlias = tuple[tuple[int, ...], Arrangement, Box]
MOST_SPECIALS = 128
# A step of two tolerances has 1024 parts; rounding to parts takes half of one.
PER_TOLERANCE = (1 << (FRACTION - 1)) + 0.5
_KINDS: Mapping[type, Kind] = {FloatCells: "cells", SliceSteps: "steps", TileSteps: "tile steps"}
_LARGEST = 2.0**33
# Rests of tiles may take such a share of the values. Of longitudes of which half of the rows are even they take 0.12, and
# cells take more.
_MOST_RESTS = 0.2
# Specials that no header names are this many times as far from others as these are from each other.
_FAR = 16.0
_FREQUENT = 1 / 16
# How many times a lattice of all values steps of slices must be to say more.
_COARSER = 1.5


@dataclass(frozen=True)
class SteppedField:
    """One variable, and how it is held in 1/1024 of quantisation steps.

    Attributes
    ----------
    scale
        How steps become values: `units` if restored values may lie anywhere, a `lattice` if only on its points; `floats`
        if they also have rests, which tell them exactly.
    middle
        The number of steps from which is counted.
    values
        As given; nothing where they are to be restored.
    special, specials
        uint8, same shape: 0 for ordinary values, else 1 + index into the special values; None if all are ordinary.
    rest_bytes
        About the bytes that the rest of a value takes, of special ones none.
    nan
        The bits of NaN, where they are not the usual ones; else 0.
    whole
        Whether in units, too, only whole steps are restored.
    """

    scale: Scale
    middle: int
    values: np.ndarray
    special: np.ndarray | None
    specials: tuple[float, ...]
    rest_bytes: float = 0.0
    nan: int = 0
    whole: bool = False

    @property
    def closed(self) -> bool:
        """Whether values may be restored anywhere within half a step."""
        return isinstance(self.scale, Units) and not self.whole

    @property
    def exact(self) -> bool:
        """Whether values have rests beside their steps."""
        return isinstance(self.scale, FloatCells | SliceSteps | TileSteps)

    @property
    def noisy(self) -> bool:
        """Whether rests are as large a part of the values as their steps."""
        return self.exact and not isinstance(self.scale, TileSteps)

    @property
    def kind(self) -> Kind:
        """How they are held, by name."""
        if isinstance(self.scale, FloatCells | SliceSteps | TileSteps):
            return _KINDS[type(self.scale)]
        if isinstance(self.scale, Units):
            return "whole units" if self.whole else "units"
        return "lattice"

    def steps(self, arrangement: Arrangement, place: Box) -> np.ndarray:
        """A part of the arranged values: int64, in 1/1024 of a step; 0, or the nearest number, for what is beyond."""
        values = arrangement.forward(self.values)[place]
        if isinstance(self.scale, Units):
            numbers = self.scale.forward(values)
            numbers *= PER_TOLERANCE
            numbers[~(np.abs(numbers) < _LARGEST)] = 0.0
            steps = np.rint(numbers, out=numbers).astype(np.int64)
            return ((steps + (1 << FRACTION - 1)) >> FRACTION) << FRACTION if self.whole else steps
        if isinstance(self.scale, FloatCells | SliceSteps | TileSteps):
            codes = self.numbers(arrangement, place)
            special = None if self.special is None else arrangement.forward(self.special)[place]
        else:
            codes, special = self.scale.quantise(values)
        with np.errstate(over="ignore"):
            codes = np.clip(codes - self.middle, 1 - LARGEST, LARGEST - 1)
        if special is not None:
            codes[special > 0] = 0
        return codes << FRACTION

    def numbers(self, arrangement: Arrangement, place: Box) -> np.ndarray:
        """The cells or points of a part of the arranged floats: int64."""
        values = arrangement.forward(self.values)[place]
        if isinstance(self.scale, FloatCells):
            return self.scale.numbers(values)
        assert isinstance(self.scale, SliceSteps | TileSteps)
        return placed(self.scale, (self.values.shape, arrangement, place)).numbers(values)


def placed(scale: SliceSteps | TileSteps, where: Where) -> PlacedSteps | PlacedTiles:
    """Return the steps of a part of the arranged values."""
    shape, arrangement, place = where
    return scale.placed(shape, lambda array: arrangement.forward(array)[place])


def prepare(values: np.ndarray, tolerance: Tolerance) -> tuple[SteppedField, ...] | None:
    """Return ways to hold a variable: with restored values anywhere, and on a lattice; None if there is none.

    Values are looked at in part. The few that a way does not hold in spite of that are for the core to correct.
    """
    if tolerance.kind == "free" or values.dtype.kind == "b":
        return None
    lattice = fit_lattice(values, tolerance)
    found = [_anywhere(values, tolerance, lattice)]
    with np.errstate(all="ignore"):  # floats may be so large that no difference of them is
        exact = _exactly(values, tolerance, lattice) if tolerance.kind == "exact" else []
    found += exact or [_on_lattice(values, lattice)]
    return tuple(field for field in found if field is not None) or None


def _anywhere(values: np.ndarray, tolerance: Tolerance, lattice: Lattice) -> SteppedField | None:
    special, specials = holes.classes(values, tolerance)
    ordinary = values.ravel() if special is None else values[special == 0]
    units = choose_units(ordinary, tolerance, lattice)
    if units is None or (units.lattice is not None and units.lattice.merge == 1):
        return None
    numbers = units.forward(_some(ordinary)) * PER_TOLERANCE
    if (~(np.abs(numbers) < _LARGEST)).mean() > 1e-3:
        return None
    return SteppedField(units, 0, values, special, specials)


def _on_lattice(values: np.ndarray, lattice: Lattice) -> SteppedField | None:
    special = lattice.quantise(values)[1] if lattice.specials else None
    ordinary = _some(values.ravel() if special is None else values[special == 0])
    if not ordinary.size or len(lattice.specials) > MOST_SPECIALS:
        return None
    codes = lattice.quantise(ordinary)[0]
    # the median of very large integers may be rounded beyond 64 bits
    middle = min(max(int(np.median(codes)), -(2**63)), 2**63 - 1)
    with np.errstate(over="ignore"):
        return SteppedField(lattice, middle, values, special, lattice.specials) if fits(codes - middle) else None


def _exactly(values: np.ndarray, tolerance: Tolerance, lattice: Lattice) -> list[SteppedField | None]:
    """Return ways to hold floats exactly: by their own steps, or else by cells of one size and of one count."""
    if not isinstance(lattice, BitsLattice | StepLattice) or values.dtype.itemsize not in (4, 8):
        return []
    if nan := _strange_nan(values):
        # what is strange about them is told apart
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values).astype(values.dtype)
    special, specials = _exact_specials(values, tolerance)
    ordinary = None if special is None else special == 0
    flat = values.ravel() if ordinary is None else values[ordinary]
    if not flat.size or not np.isfinite(flat[[flat.argmin(), flat.argmax()]]).all():
        return []
    steps = fit_slice_steps(values, ordinary)
    if isinstance(lattice, StepLattice) and (steps is None or steps.step < _COARSER * lattice.spacing):
        return []
    if steps is not None:
        ends = slice_steps.least_and_largest(values, ordinary, steps)
        ways = [_counted(SteppedField(steps, 0, values, special, specials), np.array(ends))]
    elif (tiled := _tiled(fit_tile_steps(values, ordinary), values, special, specials)) is not None:
        ways = [tiled]
    else:
        ways, share = [], flat.size / values.size
        for cells in cells_of(values, ordinary, common_trailing_zeros(flat)):
            field = SteppedField(cells, 0, values, special, specials, cells.rest_bits(_some(flat)) / 8 * share)
            ways.append(_counted(field, cells.numbers(np.array([flat.min(), flat.max()]))))
    return [None if way is None else replace(way, nan=nan) for way in ways]


def _tiled(
    tiles: TileSteps | None, values: np.ndarray, special: np.ndarray | None, specials: tuple[float, ...]
) -> SteppedField | None:
    """Return floats by steps of tiles, and zeros, which may stand beside all steps, as special values.

    None where there are no such steps, or where too many values lie beside them, as where only some rows have any.
    """
    if tiles is None:
        return None
    zero = (values == 0) if special is None else (values == 0) & (special == 0)
    if tiles.seed is not None and -0.0 not in specials and zero.any():
        special = np.zeros(values.shape, np.uint8) if special is None else special.copy()
        special[zero] = len(specials) + 1
        specials = (*specials, 0.0)
    placed_tiles = tiles.placed(values.shape, np.asarray)
    numbers = placed_tiles.numbers(values)
    apart = slice_steps.ordered(values) - slice_steps.ordered(placed_tiles.points(numbers, tiles.dtype))
    if special is not None:
        numbers, apart = numbers[special == 0], apart[special == 0]
    rest_bytes = estimated_bytes(apart) / values.size if apart.any() else 0.0
    if rest_bytes > _MOST_RESTS * values.dtype.itemsize:
        return None
    field = SteppedField(tiles, 0, values, special, specials, rest_bytes)
    return _counted(field, np.array([numbers.min(), numbers.max()]))


def _strange_nan(values: np.ndarray) -> int:
    """Return the bits of NaNs, if all are alike and not the usual ones; else 0."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    found = native[np.isnan(native)].view(f"u{native.dtype.itemsize}")
    usual = int(np.array(np.nan, native.dtype).view(found.dtype))
    alike = found.size > 0 and bool((found == found[0]).all())
    return int(found[0]) if alike and int(found[0]) != usual else 0


def _counted(field: SteppedField, codes: np.ndarray) -> SteppedField | None:
    """Count floats from the middle of the least and the largest of their `codes`; None if these are too large."""
    middle = (int(codes.min()) + int(codes.max())) // 2
    return replace(field, middle=middle) if fits(codes - middle) else None


def _exact_specials(values: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """Return classes of special values and these: no numbers, fill values, and others far beyond all that come again."""
    specials = float_specials(values.ravel(), tolerance)
    special = classify(values, specials) if specials else None
    some = _some(values.ravel() if special is None else values[special == 0])
    for far in [*_far_values(some), *_frequent_values(some)]:
        hit = values == far
        if len(specials) < MOST_SPECIALS and not (far == 0 and -0.0 in specials):
            special = np.zeros(values.shape, np.uint8) if special is None else special
            special[hit & (special == 0)] = len(specials) + 1
            specials = (*specials, float(far))
    return special, specials


def _far_values(some: np.ndarray) -> list[float]:
    """Return the least and the largest of some values, if they come again and are far from the others."""
    found = []
    for far, beyond in ((np.max, np.less), (np.min, np.greater)):
        if not some.size:
            break
        end = far(some)
        others = some[beyond(some, end)].astype(np.float64)
        if others.size and others.size < some.size - 1:
            with np.errstate(over="ignore"):
                low, high = float(others.min()), float(others.max())
                if min(abs(float(end) - low), abs(float(end) - high)) > _FAR * max(high - low, abs(high), abs(low)):
                    found.append(float(end))
                    some = some[some != end]
    return found


def _frequent_values(some: np.ndarray) -> list[float]:
    """Return values that are a good part of all: where there is no rain or no ice, or an instrument is saturated."""
    if not some.size:
        return []
    distinct, counts = np.unique(some, return_counts=True)
    return [float(value) for value in distinct[counts > _FREQUENT * some.size].tolist()]


def _some(values: np.ndarray) -> np.ndarray:
    """Estimate 2^16 of many values."""
    return values[:: max(1, values.size >> 16)]
