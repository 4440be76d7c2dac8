"""Bind the derived quantities that a user states to the variables of a file, and compute them block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import cast

import numpy as np

from baler_core.data import patterns
from baler_core.data.arithmetic import Term
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import usable
from baler_core.data.comparison import is_measured
from baler_core.data.derived import DerivedRule, allowed_error, misses
from baler_core.data.variables import Schema, Variable, block_sizes, event_lengths, leading_dimension
from baler_core.errors import ConfigError, did_you_mean
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.nodes import FormulaNode, Masks, Trace, bind, compute, dependence, reach, units_of
from baler_core.plugin.quantity import Around, Cells, Quantity
from baler_core.plugin.registry import Registry


@dataclass(frozen=True)
class Computed:
    """A quantity of one block of original values, against which restored ones are held.

    Attributes
    ----------
    values
        float64, any shape.
    reach
        How many rows beyond the block cells at its borders would need.
    """

    values: np.ndarray
    dims: tuple[str, ...]
    trace: Trace
    reach: int


@dataclass(frozen=True)
class Derived:
    """A derived quantity of one file.

    Attributes
    ----------
    inputs
        The variables that it is computed from, all cut into blocks along one dimension.
    width
        Largest - smallest cell of the file; needed by `range` bounds only.
    """

    rule: DerivedRule
    node: FormulaNode
    inputs: tuple[Variable, ...]
    units: str = ""
    width: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its inputs."""
        return tuple(variable.name for variable in self.inputs)

    def original(self, arrays: Mapping[str, np.ndarray], around: Around) -> Computed:
        """Compute it from original values (stored ones, by variable).

        Raises
        ------
        ConfigError
            If its arguments do not fit together.
        """
        trace = Trace()
        try:
            cells = compute(self.node, self._cells(arrays), trace, around)
        except ConfigError as error:
            raise ConfigError(f"{self.rule.where}: {self.rule.formula.text!r}: {error}") from error
        return Computed(cells.values, cells.dims, trace, reach(self.node, trace))

    def restored(self, arrays: Mapping[str, np.ndarray], computed: Computed) -> tuple[np.ndarray, Trace]:
        """Compute the same cells from restored values."""
        trace = Trace(plans=computed.trace.plans)
        return compute(self.node, self._cells(arrays), trace).values, trace

    def misses(self, computed: Computed, after: np.ndarray) -> np.ndarray:
        """Return boolean mask of the cells that moved too far."""
        return misses(computed.values, after, self.allowed(computed.values))

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Return the error allowed to each cell."""
        return allowed_error(self.rule.bound, values, self.width)

    def depends(self, wrong: np.ndarray, trace: Trace) -> Masks:
        """Return by variable which of its values some cells depend on."""
        return dependence(self.node, wrong, trace)

    def _cells(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Cells]:
        return {v.name: Cells(physical(arrays[v.name], v), v.dims, v) for v in self.inputs}


def physical(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Stored values as readers show them: float64, same shape; NaN at fill values and outside the limits."""
    kept = usable(values, variable.fill, variable.limits)
    with np.errstate(all="ignore"):
        shown = values.astype(np.float64) * variable.scale + variable.offset
    if values.dtype.kind == "f":
        kept |= np.isinf(values)
    return shown if kept.all() else np.where(kept, shown, np.nan)


@dataclass
class Surroundings:
    """Gives what lies around each block of a file, from the block's counts and from coordinates that were read before.

    Attributes
    ----------
    coordinates
        float64, by dimension, whole.
    rows
        How many rows of each leading dimension came before.
    """

    schema: Schema
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def of(self, block: Block, start: Mapping[str, int] | None = None) -> Around:
        """Return what lies around a block; `start` tells its first row by leading dimension, else blocks come in order."""
        sizes, schema = block_sizes(block), self.schema
        first = self.rows if start is None else start
        lengths = {
            dim: event_lengths(values_of(block, counts), sizes[dim], counts)
            for dim, counts in schema.counts.items()
            if dim in sizes and counts in block.variables
        }
        coordinates = {}
        for dim, values in self.coordinates.items():
            if dim in sizes:
                begin = first.get(dim, 0) if sizes[dim] < len(values) else 0
                coordinates[dim] = values[begin : begin + sizes[dim]]
        events = {dim: schema[schema.counts[dim]].dims[0] for dim in lengths}
        axes = {dim: role for v in schema.variables for dim, role in v.axes.items() if dim in sizes}
        return Around(lengths, events, coordinates, axes)

    def inner(
        self, one: Derived, computed: Computed, block: Block, start: Mapping[str, int] | None = None
    ) -> np.ndarray:
        """Return the cells of a block without those that would need rows of its neighbours: one-sided derivatives."""
        dim = leading_dimension(one.inputs[0], self.schema)
        if dim is None or not computed.reach or computed.dims[:1] != (dim,):
            return computed.values
        first = (self.rows if start is None else start).get(dim, 0)
        rows = int(block.sizes[dim])
        left = computed.reach if first else 0
        right = computed.reach if first + rows < self.schema.sizes[dim] else 0
        return computed.values[left : rows - right]

    def passed(self, block: Block) -> None:
        """Take note that the rows of a block are over."""
        dims = {leading_dimension(self.schema[str(name)], self.schema) for name in block.variables}
        for dim in dims - {None}:
            self.rows[str(dim)] = self.rows.get(str(dim), 0) + int(block.sizes[str(dim)])


def bind_rules(rules: Iterable[DerivedRule], schema: Schema, registry: Registry) -> tuple[Derived, ...]:
    """Return the derived quantities of a file.

    Raises
    ------
    ConfigError
        If a formula needs what the file does not have, what is no number, or variables of other rows; with the place
        where it is stated.
    """
    return tuple(_bound(rule, schema, registry) for rule in rules)


def _bound(rule: DerivedRule, schema: Schema, registry: Registry) -> Derived:
    def quantity_of(name: str) -> Quantity | None:
        return registry.quantity(name)() if name in registry.offers["quantity"] else None

    try:
        term = _with_variables(rule.formula.term, schema, quantity_of)
        node = bind(term, lambda name: variable_meant(name, schema), quantity_of)
        inputs = tuple(schema[name] for name in dict.fromkeys(n.variable for n in node.walk() if n.variable))
        _check(inputs, schema)
    except ConfigError as error:
        raise ConfigError(f"{rule.where}: {rule.formula.text!r}: {error}") from error
    units = rule.units or units_of(node, {v.name: v.units for v in inputs})
    return Derived(rule, node, inputs, units)


def _with_variables(term: Term, schema: Schema, quantity_of: Callable[[str], Quantity | None]) -> Term:
    """The formula with the names of collections replaced by those of their variables."""
    parts = tuple(_with_variables(part, schema, quantity_of) for part in term.parts)
    quantity = quantity_of(term.operation)
    names = term.names
    if quantity is not None and quantity.takes_names:
        names = tuple(quantity.variables(term.names, schema.variables))
    return Term(term.operation, parts, names, term.number)


def variable_meant(name: str, schema: Schema) -> str:
    """Return the variable that a name in a formula stands for: itself, or the only one of which it is the last part.

    Raises
    ------
    ConfigError
        If there is none, or several.
    """
    meant = patterns.variable_meant(name, "", schema.names)
    if meant is not None:
        return meant
    found = [known for known in schema.names if known.rpartition("/")[2] == name]
    if found:
        raise ConfigError(f"{name!r} may be {' or '.join(found[:3])}: write the whole name between backticks")
    raise ConfigError(f"there is no variable {name!r}. {did_you_mean(name, schema.names)}")


def _check(inputs: Sequence[Variable], schema: Schema) -> None:
    if not inputs:
        raise ConfigError("it holds no variable")
    for variable in inputs:
        if not is_measured(variable):
            what = "text" if variable.is_text else variable.dtype
            raise ConfigError(f"{variable.name!r} holds {what}, and formulas take numbers")
    leading = {variable.name: leading_dimension(variable, schema) for variable in inputs}
    first = inputs[0].name
    for name, dim in leading.items():
        if dim != leading[first]:
            raise ConfigError(f"{first!r} (along {leading[first]}) and {name!r} (along {dim}) have other rows")


def coordinates_of(
    walk: Callable[[], Iterable[Block]], derived: Sequence[Derived], schema: Schema
) -> dict[str, np.ndarray]:
    """Read the coordinates of the dimensions of all inputs, where the file has them: 1-D variables named like them."""
    dims = {dim for one in derived for variable in one.inputs for dim in variable.dims if len(variable.dims) > 1}
    wanted = [v for v in schema.variables if v.name in dims and v.dims == (v.name,) and is_measured(v)]
    parts: dict[str, list[np.ndarray]] = {v.name: [] for v in wanted}
    left = {v.name: schema.sizes[v.name] for v in wanted}
    for block in walk() if wanted else ():
        for v in wanted:
            if v.name in block.variables:
                values = physical(values_of(block, v.name), v)
                parts[v.name].append(values)
                left[v.name] -= len(values)
        if not any(size > 0 for size in left.values()):
            break
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def arrays_of(block: Block, one: Derived) -> dict[str, np.ndarray] | None:
    """Return stored values of all inputs; None if the block does not hold them."""
    if any(name not in block.variables for name in one.names):
        return None
    return {name: values_of(block, name) for name in one.names}


def is_possible(variable: Variable) -> bool:
    """Return whether an input may lose anything for a quantity: real numbers, packed ones included."""
    return variable.numpy_dtype.kind == "f" or variable.is_packed


def widths(walk: Callable[[], Iterable[Block]], derived: Sequence[Derived], around: Surroundings) -> list[float]:
    """Return largest - smallest finite cell of each quantity: in the whole file, if any bound is a part of a range.

    Raises
    ------
    ConfigError
        If a quantity has no finite cell, or its cells are all the same where a bound is a part of their range.
    """
    ends = [[np.inf, -np.inf] for _ in derived]
    for block in walk():
        for place, one in enumerate(derived):
            arrays = arrays_of(block, one)
            if arrays is None:
                continue
            values = around.inner(one, one.original(arrays, around.of(block)), block)
            finite = values[np.isfinite(values)]
            if finite.size:
                low, high = ends[place]
                ends[place] = [min(low, float(finite.min())), max(high, float(finite.max()))]
        around.passed(block)
        if all(high >= low and one.rule.bound.kind != "range" for one, (low, high) in zip(derived, ends, strict=True)):
            break
    for one, (low, high) in zip(derived, ends, strict=True):
        if high < low:
            raise ConfigError(f"{one.rule.where}: {one.rule.formula.text!r} gives no finite value")
        if one.rule.bound.kind == "range" and high == low:
            raise ConfigError(
                f"{one.rule.where}: {one.rule.formula.text!r} is {low:g} everywhere, so it has no range: state abs or rel"
            )
    return [high - low for low, high in cast(list[tuple[float, float]], ends)]
