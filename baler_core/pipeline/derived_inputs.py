"""Turns the derived quantities of a configuration into tolerances of the variables that they are computed from."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from baler_core.config import Config
from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.patterns import variable_meant
from baler_core.data.rows import rows_of
from baler_core.data.scales import with_scales
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Schema, Variable, leading_dimension
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.budget import Share, TriedRows, moved_by_bounds, shares_of, tightened
from baler_core.pipeline.derived.quantities import (
    Derived,
    Surroundings,
    bind_rules,
    coordinates_of,
    is_possible,
    widths,
)
from baler_core.pipeline.input import Blocks
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
# Errors are tried on so many values of the largest input; more tell little more.
_TRIED = 1 << 19
# Errors beyond so many times the median are none.
_ABSURD = 100.0
# Errors whose mean is limited are up to twice that, evenly spread.
_OF_MEAN = 4.0


@dataclass(frozen=True)
class HeldQuantities:
    """The derived quantities of a file, and what follows for its variables.

    Attributes
    ----------
    coordinates
        By dimension, where the file has them.
    bounds, tolerances
        Of all variables, in order: those of inputs are changed.
    stated
        By quantity: how far it would move if its variables lost all that the stated bounds allow, tried on a sample:
        the largest error, and its share of what is allowed.
    """

    quantities: tuple[Derived, ...] = ()
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    bounds: tuple[ErrorBound, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    stated: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def inputs(self) -> frozenset[str]:
        """Names of all variables that a quantity is computed from."""
        return frozenset(name for one in self.quantities for name in one.names)


NOTHING_HELD = HeldQuantities()


def held_quantities(
    config: Config,
    registry: Registry,
    blocks: Blocks,
    bounds: Sequence[ErrorBound],
    tolerances: Sequence[Tolerance],
    *,
    quiet: bool = False,
) -> HeldQuantities:
    """Bind the derived quantities to the file, and find what their inputs may lose; reads the file as far as needed.

    Parameters
    ----------
    quiet
        Whether this has been told already.

    Raises
    ------
    ConfigError
        If a formula does not fit the file, with the place where it is stated.
    """
    schema = blocks.schema
    quantities, coordinates = _bound_quantities(config, registry, blocks)
    by_name = dict(zip(schema.names, tolerances, strict=True))
    _refuse_lossy_coordinates(quantities, coordinates, by_name)
    own = {name for name in schema.names if config.bounds.among(schema.names).rule_for(name) is not None}
    known = _Inputs(schema, by_name, own, _parents(schema, bounds))
    scaled = dict(zip(schema.names, with_scales(schema, bounds, tolerances), strict=True))
    stated = _share_errors(known, quantities, blocks, coordinates, scaled)
    for sentence in known.sentences(quantities):
        logger.log(logging.DEBUG if quiet else logging.WARNING, "%s", sentence)
    changed = {name: known.changed(name, bound) for name, bound in zip(schema.names, bounds, strict=True)}
    return HeldQuantities(
        quantities,
        coordinates,
        tuple(changed[name][0] for name in schema.names),
        tuple(changed[name][1] for name in schema.names),
        stated,
    )


def _share_errors(
    known: _Inputs,
    quantities: Sequence[Derived],
    blocks: Blocks,
    coordinates: Mapping[str, np.ndarray],
    tolerances: Mapping[str, Tolerance],
) -> dict[str, tuple[float, float]]:
    """Let `known` take what each quantity's inputs may lose; return how far bounds of their own move it, by its name."""
    stated = {}
    for one in quantities:
        sample = _sample(blocks, one, Surroundings(blocks.schema, coordinates), tolerances)
        kinds, allowed = known.kinds(one), known.own_values()
        if (moved := moved_by_bounds(one, sample, kinds, allowed)) is not None:
            stated[one.rule.name] = moved
        known.take(one, shares_of(one, sample, kinds, allowed))
    return stated


def _bound_quantities(
    config: Config, registry: Registry, blocks: Blocks
) -> tuple[tuple[Derived, ...], Mapping[str, np.ndarray]]:
    """Return the derived quantities bound to the file, with their ranges, and the coordinates they need."""
    schema = blocks.schema
    bound = bind_rules(config.derived, schema, registry)
    coordinates = coordinates_of(blocks.__iter__, bound, schema)
    ranges = widths(blocks.__iter__, bound, Surroundings(schema, coordinates))
    return tuple(replace(one, width=width) for one, width in zip(bound, ranges, strict=True)), coordinates


class _Inputs:
    """What the inputs may lose so far."""

    def __init__(self, schema: Schema, tolerances: Mapping[str, Tolerance], own: set[str], parents: set[str]) -> None:
        self._schema = schema
        self._tolerances = tolerances
        self._own = own
        self._parents = parents
        self._exact: dict[str, str] = {}
        self._shares: dict[str, Share] = {}
        self._for: dict[str, str] = {}

    def kinds(self, one: Derived) -> dict[str, tuple[str, ...]]:
        """The kinds of errors that each input may have; inputs that stay exact are left out."""
        for name in self._parents & set(one.names):
            if self._tolerances[name].lossy:
                self._exact.setdefault(name, one.rule.name)
        found = {variable.name: self._kinds_of(variable) for variable in one.inputs}
        return {name: kinds for name, kinds in found.items() if kinds}

    def _kinds_of(self, variable: Variable) -> tuple[str, ...]:
        name, tolerance = variable.name, self._tolerances[variable.name]
        if name in self._parents:
            return ()
        if name in self._shares:
            return (self._shares[name].kind,)
        if tolerance.kind == "each":
            return ("each",)
        if tolerance.mean is not None and tolerance.kind == "free":
            return ("rel",) if tolerance.mean[0] == "mean_rel" else ("abs",)
        if tolerance.lossy:
            return {"abs": ("abs",), "rel": ("rel",), "bits": ("rel",), "free": ("abs", "rel")}[tolerance.kind]
        free = name not in self._own and is_possible(variable) and name not in self._schema.counts.values()
        several = any(self._schema.sizes[dim] > 1 for dim in variable.dims)
        if not (free and several and variable.dims != (name,)):
            return ()
        return ("abs",) if variable.is_packed else ("abs", "rel")

    def own_values(self) -> dict[str, float]:
        """What inputs may lose by bounds of their own; `bits` as a part of the value."""
        values = {name: one.value for name, one in self._tolerances.items() if one.kind in ("abs", "rel")}
        bits = {name: 2.0 ** -(one.value + 1) for name, one in self._tolerances.items() if one.kind == "bits"}
        found = {**values, **bits, **self._by_means()}
        return {name: value for name, value in found.items() if value > 0}

    def _by_means(self) -> dict[str, float]:
        """The largest errors that limits on average lead to by themselves, and more."""
        means = {n: one.mean for n, one in self._tolerances.items() if one.kind == "free" and one.mean is not None}
        return {
            name: min(_OF_MEAN * limit, 0.5) if kind == "mean_rel" else _OF_MEAN * limit / abs(self._schema[name].scale)
            for name, (kind, limit) in means.items()
        }

    def take(self, one: Derived, shares: Mapping[str, Share]) -> None:
        """Take up what the inputs may lose for one quantity."""
        for name, share in shares.items():
            before = self._shares.get(name, share)
            if name not in self._for or share.value < before.value:
                self._shares[name], self._for[name] = share, one.rule.name

    def changed(self, name: str, bound: ErrorBound) -> tuple[ErrorBound, Tolerance]:
        """Bound and tolerance of a variable."""
        tolerance, share = self._tolerances[name], self._shares.get(name)
        if name in self._exact:
            return LOSSLESS, Tolerance("exact")
        if share is None:
            return bound, tolerance
        if share.kind == "each" and bound.formula and share.value < 1:
            return replace(bound, formula=f"{share.value:g} * ({bound.formula})"), tolerance
        if share.value >= self._by_means().get(name, math.inf):
            return bound, tolerance
        if tolerance.kind in ("abs", "rel", "bits", "each") or tolerance.mean is not None:
            return bound, tightened(tolerance, share)
        made = self._bound(name, share)
        return (bound if tolerance.lossy else made), make_tolerance(made, self._schema[name])

    def _bound(self, name: str, share: Share) -> ErrorBound:
        """A share as a bound in physical units."""
        scale = abs(self._schema[name].scale) if share.kind == "abs" else 1.0
        return ErrorBound("rel" if share.kind == "rel" else "abs", share.value * scale)

    def sentences(self, quantities: Sequence[Derived]) -> list[str]:
        """What users must know: which variables become lossy, or more exact than asked."""
        lossy = {name: self._tolerances[name].lossy for name in self._shares}
        stated = {name: f"{name} {self._stated(name)} (for {self._for[name]!r})" for name in lossy}
        new = [stated[name] for name in lossy if not lossy[name]]
        kept = [stated[name] for name in lossy if lossy[name] and self._tightened(name)]
        told = []
        if new:
            told.append(f"lossy though no bound names them, as much as derived quantities allow: {', '.join(new)}")
        if kept:
            told.append(f"derived quantities need more than the bounds of their variables allow: {', '.join(kept)}")
        told += [
            f"{name!r} is exact: a bound follows from it, and so does the derived quantity {quantity!r}"
            for name, quantity in self._exact.items()
        ]
        return told + [
            f"derived {one.rule.name!r} ({one.rule.bound}) is exact, as all its variables are: {', '.join(one.names)}"
            for one in quantities
            if not any(self._tolerances[name].lossy or name in self._shares for name in one.names)
        ]

    def _stated(self, name: str) -> str:
        share = self._shares[name]
        return f"{share.value:g} of its bound" if share.kind == "each" else str(self._bound(name, share))

    def _tightened(self, name: str) -> bool:
        tolerance, share = self._tolerances[name], self._shares[name]
        if share.kind == "each":
            return share.value < 1
        is_free = tolerance.kind == "free" and tolerance.mean is None
        if share.value >= self._by_means().get(name, math.inf):
            return False
        return not is_free and tightened(tolerance, share) != tolerance


def _parents(schema: Schema, bounds: Sequence[ErrorBound]) -> set[str]:
    """Variables from which bounds of others follow: decoders know these bounds by restored values, which must not change."""
    found = set()
    for variable, bound in zip(schema.variables, bounds, strict=True):
        for needed in parse_arithmetic(bound.formula).names if bound.formula else ():
            found.add(variable_meant(needed, variable.name, schema.names))
    return {name for name in found if name is not None}


def _sample(blocks: Blocks, one: Derived, around: Surroundings, tolerances: Mapping[str, Tolerance]) -> TriedRows:
    """Rows from the middle of the first block that holds the inputs.

    Parameters
    ----------
    tolerances
        Of all variables, those that follow from others with their scales.
    """
    schema = blocks.schema
    dim = leading_dimension(one.inputs[0], schema)
    counts = {schema.counts[d] for v in one.inputs for d in v.dims if d in schema.counts}
    for block in blocks:
        if one.names[0] not in block.variables:
            around.passed(block)
            continue
        scales = {name: scale for name in one.names if (scale := tolerances[name].scale) is not None}
        beside = {need for scale in scales.values() for need in scale.needs if need in block.variables}
        needed = block[[*dict.fromkeys((*one.names, *_all_counts(counts, schema), *sorted(beside)))]]
        part, start = _middle(needed, schema, dim, max(values_of(block, name).size for name in one.names))
        arrays = {name: values_of(part, name) for name in one.names}
        first = {str(dim): around.rows.get(str(dim), 0) + start}
        return TriedRows(arrays, around.of(part, first), _each(arrays, part, tolerances))
    raise ConfigError(f"{one.rule.where}: there are no rows of {one.names[0]!r}")


def _each(arrays: Mapping[str, np.ndarray], block: Block, tolerances: Mapping[str, Tolerance]) -> dict[str, np.ndarray]:
    """What own bounds that follow from errors or noise allow to each value, in stored units, the shape of the values."""
    found = {}
    for name, values in arrays.items():
        tolerance = tolerances[name]
        if tolerance.noise is not None:
            found[name] = tolerance.noise.levels(values, usable(values, tolerance.fill))
        elif (scale := tolerance.scale) is not None and all(need in block.variables for need in scale.needs):
            sizes = scale.stated({need: values_of(block, need) for need in scale.needs}).reshape(values.shape)
            # Marks in place of errors, far above what is common, stand for none.
            common = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 0.0
            found[name] = np.where(sizes <= _ABSURD * common, sizes, 0.0)
    return found


def _all_counts(counts: set[str], schema: Schema) -> set[str]:
    """Counts, and those of their own dimensions, up to the outermost."""
    for _ in schema.counts:
        counts = counts | {schema.counts[d] for name in counts for d in schema[name].dims if d in schema.counts}
    return counts


def _middle(block: Block, schema: Schema, dim: str | None, size: int) -> tuple[Block, int]:
    """About `_TRIED` values from the middle, in whole rows, and the first of these; planes of images stay whole."""
    rows = int(block.sizes[dim]) if dim is not None else 1
    planes = any(len(variable.dims) == 2 and not schema.counts for variable in block.variables.values())
    wanted = rows if planes or dim is None else max(1, min(rows, rows * _TRIED // max(1, size)))
    if wanted == rows or dim is None:
        return block, 0
    start = (rows - wanted) // 2
    return rows_of(block, schema, dim, slice(start, start + wanted)), start


def _refuse_lossy_coordinates(
    quantities: Sequence[Derived], coordinates: Mapping[str, np.ndarray], tolerances: Mapping[str, Tolerance]
) -> None:
    for one in quantities:
        for dim in (dim for variable in one.inputs for dim in variable.dims):
            if dim in coordinates and tolerances[dim].lossy:
                raise ConfigError(f"{one.rule.where}: needs the coordinates {dim!r} exactly: leave its bound out")
