"""Turns the derived quantities of a configuration into tolerances of the variables that they are computed from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from baler_core.config import Config
from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.patterns import variable_meant
from baler_core.data.rows import rows_of
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Schema, Variable, leading_dimension
from baler_core.derived.budget import Share, TriedRows, shares_of, tightened
from baler_core.derived.quantities import Derived, Surroundings, bind_rules, coordinates_of, is_possible, widths
from baler_core.errors import ConfigError
from baler_core.pipeline.input import Blocks
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
# Errors are tried on so many values of the largest input; more tell little more.
_TRIED = 1 << 19


@dataclass(frozen=True)
class HeldQuantities:
    """The derived quantities of a file, and what follows for its variables.

    Attributes
    ----------
    coordinates
        By dimension, where the file has them.
    bounds, tolerances
        Of all variables, in order: those of inputs are changed.
    """

    quantities: tuple[Derived, ...] = ()
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    bounds: tuple[ErrorBound, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()

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
    bound = bind_rules(config.derived, schema, registry)
    coordinates = coordinates_of(blocks.__iter__, bound, schema)
    ranges = widths(blocks.__iter__, bound, Surroundings(schema, coordinates))
    quantities = tuple(
        Derived(one.rule, one.node, one.inputs, one.units, width) for one, width in zip(bound, ranges, strict=True)
    )
    _refuse_lossy_coordinates(quantities, coordinates, dict(zip(schema.names, tolerances, strict=True)))
    parents = _parents(schema, bounds)
    own = {name for name in schema.names if config.bounds.among(schema.names).rule_for(name) is not None}
    known = _Inputs(schema, dict(zip(schema.names, tolerances, strict=True)), own, parents)
    for one in quantities:
        sample = _sample(blocks, one, Surroundings(schema, coordinates))
        known.take(one, shares_of(one, sample, known.kinds(one), known.own_values()))
    for sentence in known.sentences(quantities):
        logger.log(logging.DEBUG if quiet else logging.WARNING, "%s", sentence)
    changed = {name: known.changed(name, bound) for name, bound in zip(schema.names, bounds, strict=True)}
    return HeldQuantities(
        quantities,
        coordinates,
        tuple(changed[name][0] for name in schema.names),
        tuple(changed[name][1] for name in schema.names),
    )


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
        if name in self._parents or tolerance.mean is not None or tolerance.kind == "each":
            # What is limited on average or value by value is corrected where it has to be.
            return ()
        if name in self._shares:
            return (self._shares[name].kind,)
        if tolerance.lossy:
            return {"abs": ("abs",), "rel": ("rel",), "bits": ("rel",), "free": ("abs", "rel")}[tolerance.kind]
        free = name not in self._own and is_possible(variable) and name not in self._schema.counts.values()
        several = any(self._schema.sizes[dim] > 1 for dim in variable.dims)
        if not (free and several and variable.dims != (name,)):
            return ()
        return ("abs",) if variable.is_packed else ("abs", "rel")

    def own_values(self) -> dict[str, float]:
        """What inputs may lose by bounds of their own; `bits` as a part of the value."""
        values = {
            name: one.value for name, one in self._tolerances.items() if one.kind in ("abs", "rel") and not one.mean
        }
        bits = {name: 2.0 ** -(one.value + 1) for name, one in self._tolerances.items() if one.kind == "bits"}
        return {name: value for name, value in {**values, **bits}.items() if value > 0}

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
        if tolerance.kind in ("abs", "rel", "bits"):
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
        stated = {name: f"{name} {self._bound(name, self._shares[name])} (for {self._for[name]!r})" for name in lossy}
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

    def _tightened(self, name: str) -> bool:
        tolerance = self._tolerances[name]
        return tolerance.kind in ("abs", "rel", "bits") and tightened(tolerance, self._shares[name]) != tolerance


def _parents(schema: Schema, bounds: Sequence[ErrorBound]) -> set[str]:
    """Variables from which bounds of others follow: decoders know these bounds by restored values, which must not change."""
    found = set()
    for variable, bound in zip(schema.variables, bounds, strict=True):
        for needed in parse_arithmetic(bound.formula).names if bound.formula else ():
            found.add(variable_meant(needed, variable.name, schema.names))
    return {name for name in found if name is not None}


def _sample(blocks: Blocks, one: Derived, around: Surroundings) -> TriedRows:
    """Rows from the middle of the first block that holds the inputs."""
    schema = blocks.schema
    dim = leading_dimension(one.inputs[0], schema)
    counts = {schema.counts[d] for v in one.inputs for d in v.dims if d in schema.counts}
    for block in blocks:
        if one.names[0] not in block.variables:
            around.passed(block)
            continue
        needed = block[[*dict.fromkeys((*one.names, *_all_counts(counts, schema)))]]
        part, start = _middle(needed, schema, dim, max(values_of(block, name).size for name in one.names))
        arrays = {name: values_of(part, name) for name in one.names}
        first = {str(dim): around.rows.get(str(dim), 0) + start}
        return TriedRows(arrays, around.of(part, first))
    raise ConfigError(f"{one.rule.where}: there are no rows of {one.names[0]!r}")


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
