"""Compute a formula on arrays with named dimensions, and trace back which values its cells depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from baler_core.data.arithmetic import FUNCTIONS, Term
from baler_core.machine.records import dataclass
from baler_core.plugin.quantity import Around, Cells, Quantity, aligned, gathered

_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "negative": np.negative,
    **{name: function.evaluate for name, function in FUNCTIONS.items()},
}
_KEEP_UNITS = ("+", "-", "negative", "abs", "hypot", "min", "max")
Masks: TypeAlias = dict[str, np.ndarray]


@dataclass(frozen=True)
class FormulaNode:
    """A part of a formula, bound to a file's variables.

    Attributes
    ----------
    place
        Its number among the nodes of the formula.
    operation
        As in `Term`.
    variable
        The variable of the file that a name stands for.
    quantity
        The component that a call stands for; None for arithmetic.
    """

    place: int
    operation: str
    parts: tuple[FormulaNode, ...] = ()
    variable: str = ""
    number: float = 0.0
    quantity: Quantity | None = None

    def walk(self) -> list[FormulaNode]:
        """Return the node and all below it."""
        return [self, *(node for part in self.parts for node in part.walk())]


@dataclass
class Trace:
    """What was met while a formula was computed: parts of each node, and plans of its quantities."""

    parts: dict[int, list[Cells]] = field(default_factory=dict)
    plans: dict[int, Any] = field(default_factory=dict)


def bind(term: Term, variable_of: Callable[[str], str], quantity_of: Callable[[str], Quantity | None]) -> FormulaNode:
    """Return the tree of a formula for one file.

    Parameters
    ----------
    variable_of
        Gives the variable that a name stands for.
    quantity_of
        Gives the component of a function; None for plain arithmetic. One that takes names has `known` bound into it.
    """
    count = iter(range(10**6))

    def make(one: Term) -> FormulaNode:
        place = next(count)
        if one.operation == "name":
            return FormulaNode(place, "name", variable=variable_of(one.names[0]))
        if one.operation == "number":
            return FormulaNode(place, "number", number=one.number)
        quantity = quantity_of(one.operation)
        if quantity is not None and quantity.takes_names:
            parts = tuple(FormulaNode(next(count), "name", variable=name) for name in one.names)
            return FormulaNode(place, one.operation, parts, quantity=quantity)
        return FormulaNode(place, one.operation, tuple(make(part) for part in one.parts), quantity=quantity)

    return make(term)


def compute(node: FormulaNode, values: Mapping[str, Cells], trace: Trace, around: Around | None = None) -> Cells:
    """Return the value of a formula.

    Parameters
    ----------
    values
        By variable.
    trace
        Takes up parts and, of original values, plans; restored values are computed by the plans of the original.
    around
        What lies around the original values; None for restored ones.
    """
    if node.operation == "name":
        return values[node.variable]
    if node.operation == "number":
        return Cells(np.asarray(node.number), ())
    parts = [compute(part, values, trace, around) for part in node.parts]
    trace.parts[node.place] = parts
    if node.quantity is not None:
        if around is not None:
            trace.plans[node.place] = node.quantity.plan(parts, around)
        with np.errstate(all="ignore"):
            return node.quantity.compute(parts, trace.plans[node.place])
    arrays, dims = aligned(parts)
    with np.errstate(all="ignore"):
        return Cells(np.asarray(_OPERATIONS[node.operation](*arrays), np.float64), dims)


def dependence(node: FormulaNode, wrong: np.ndarray, trace: Trace) -> Masks:
    """Return by variable which of its values the cells in `wrong` depend on: boolean masks of the variables' shapes."""
    if node.operation == "name":
        return {node.variable: wrong}
    if node.operation == "number" or not wrong.any():
        return {}
    parts = trace.parts[node.place]
    if node.quantity is not None:
        masks = node.quantity.depends(wrong, parts, trace.plans[node.place])
    else:
        masks = gathered(wrong, parts)
    found: Masks = {}
    for part, mask in zip(node.parts, masks, strict=True):
        for name, more in dependence(part, np.asarray(mask), trace).items():
            found[name] = found[name] | more if name in found else more
    return found


def reach(node: FormulaNode, trace: Trace) -> int:
    """Return how many rows before and after its own a cell of the formula needs."""
    below = max((reach(part, trace) for part in node.parts), default=0)
    if node.quantity is None:
        return below
    return below + node.quantity.reach(trace.parts[node.place], trace.plans[node.place])


def units_of(node: FormulaNode, known: Mapping[str, str]) -> str:
    """Return the units of a formula's result from those of variables; empty where they do not follow."""
    if node.operation == "name":
        return known.get(node.variable, "")
    parts = [units_of(part, known) for part in node.parts]
    if node.quantity is not None:
        return node.quantity.units(parts)
    numbers = [part.operation == "number" for part in node.parts]
    if node.operation == "*" and any(numbers):
        return parts[numbers.index(False)] if not all(numbers) else ""
    if node.operation == "/" and numbers[1]:
        return parts[0]
    same = reduce(lambda a, b: a if a == b else "", parts, parts[0]) if parts else ""
    return same if node.operation in _KEEP_UNITS else ""
