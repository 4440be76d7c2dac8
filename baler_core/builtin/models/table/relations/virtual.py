"""Search for columns that are norms, sums of products, or powers of others, and of vectors that others are components of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field, replace
from itertools import combinations

import numpy as np

from baler_core.builtin.models.table.relations.linear import Terms
from baler_core.builtin.models.table.relations.programs import (
    COSH,
    COSINE,
    NORM,
    POWERS,
    PRODUCTS,
    ROOT,
    SINE,
    SINH,
    TURN,
    run,
)
from baler_core.builtin.models.table.relations.pursuit import SoughtSum, pursued
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

_ROWS, _ROWS_OF_POWERS = 300, 100
_FEWEST, _MOST_COLUMNS, _MOST_VALUES = 3, 40, 40
"""Tables of fewer or more columns of floats are not searched; values that are looked at, virtual ones among them."""
_MOST_ANGLES, _MOST_NUMBERS = 6, 64
_POWERS = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
_CLOSE = 0.02
"""How far logarithms may lie from a sum of others, in the mean square, to be looked at."""
_TINY = 1e-6
_ROUNDING, _SMALLEST = 3e-7, 1e-30
"""Error of sums of products of numbers of 32 bits, as a share of the usual size of what they give; and at least."""
_MOST_DIVISORS = 3


@dataclass(frozen=True)
class VirtualColumn:
    """A column, or what an instruction makes of others.

    Attributes
    ----------
    column
        Number of the column; -1 for an instruction.
    code, parts, numbers
        The instruction, what it looks at, and a number beside each part (products: beside each two), or before them.
    """

    column: int = -1
    code: int = 0
    parts: tuple[VirtualColumn, ...] = ()
    numbers: tuple[float, ...] = ()

    @property
    def columns(self) -> frozenset[int]:
        """All columns that it follows from."""
        found = frozenset({self.column} - {-1})
        return found.union(*(part.columns for part in self.parts))


@dataclass
class _Writer:
    """Writes a program for columns in their order."""

    columns: Sequence[int]
    numbers: list[float] = field(default_factory=list)
    known: dict[VirtualColumn, int] = field(default_factory=dict)

    def place(self, node: VirtualColumn) -> int:
        """Return the place of a value, computed first if it is not known yet."""
        if node.column >= 0:
            return self.columns.index(node.column)
        if node not in self.known:
            places = [self.place(part) for part in node.parts]
            self.numbers += self._instruction(node, places)
            self.known[node] = len(self.columns) + len(self.known)
        return self.known[node]

    def _instruction(self, node: VirtualColumn, places: Sequence[int]) -> list[float]:
        if node.code == NORM:
            return [node.code, len(places), *places]
        if node.code == PRODUCTS:
            pairs = zip(node.numbers, places[::2], places[1::2], strict=True)
            return [node.code, len(node.numbers), *(number for pair in pairs for number in pair)]
        if node.code == POWERS:
            factor, *powers = node.numbers
            pairs = zip(places, powers, strict=True)  # type: ignore[assignment]
            return [node.code, factor, len(places), *(number for pair in pairs for number in pair)]
        return [node.code, *places]


def program_of(node: VirtualColumn) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the columns that a value follows from, and the program that computes it from these."""
    columns = tuple(sorted(node.columns))
    writer = _Writer(columns)
    writer.place(node)
    return columns, tuple(map(float, writer.numbers))


def virtual_relations(
    names: Sequence[str],
    values: Sequence[np.ndarray],
    noise: Sequence[np.ndarray],
    wanted: Sequence[int],
    large: Collection[int] | None = None,
) -> list[tuple[int, tuple[int, ...], tuple[float, ...]]]:
    """Return columns that seem to follow from others: number, parents and program of each.

    Parameters
    ----------
    values, noise
        float64 (rows,) of each column, and the size of error that is of no account.
    wanted
        Numbers of the columns that may be targets or parents: of floats, varied.
    large
        Those of them that are worth the time of a search for quotients; None for all.
    """
    rows = slice(None, None, max(1, len(values[0]) // _ROWS))
    own = {j: values[j][rows] for j in wanted}
    own = {j: v for j, v in own.items() if np.isfinite(v).all() and np.abs(v).max(initial=0.0) < 1e12}
    if not _FEWEST <= len(own) <= _MOST_COLUMNS:
        return []
    nodes = [VirtualColumn(j) for j in own]
    nodes = [*nodes, *_vectors(names, list(own))][:_MOST_VALUES]
    offered = _Offered.of(nodes, [_value(node, own) for node in nodes])
    errors = {j: noise[j][rows] for j in own}
    found = _quadratic(own, errors, offered)
    for j in own:
        found[j] += _powers(own[j], j, offered)
    divisors = [j for j, some in found.items() if any(map(_is_divisor, some))][:_MOST_DIVISORS]
    pairs = [(j, other) for j in own if not found[j] and (large is None or j in large) for other in divisors]
    for (j, _), node in _quotients(pairs, own, errors, offered):
        found[j].append(node)
    programs = [(j, *program_of(node)) for j, some in found.items() for node in some]
    return [one for one in programs if len(one[2]) <= _MOST_NUMBERS]


@dataclass(frozen=True)
class _Offered:
    """Values that targets are tested against, and the products of each two.

    Attributes
    ----------
    values
        float64 (rows, values).
    pairs
        int64 (products, 2): numbers of the values in each product.
    products
        float64 (rows, products).
    squares
        Of the products.
    """

    nodes: Sequence[VirtualColumn]
    values: np.ndarray
    pairs: np.ndarray
    products: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, nodes: Sequence[VirtualColumn], values: Sequence[np.ndarray]) -> _Offered:
        """Return what can be offered; values and products that are not finite, or nothing but 0, are left out."""
        finite = [k for k, one in enumerate(values) if np.isfinite(one).all()]
        table = np.stack([values[k] for k in finite], axis=1)
        pairs = np.stack(np.triu_indices(len(finite)), axis=1)
        products = table[:, pairs[:, 0]] * table[:, pairs[:, 1]]
        good = (products != 0).any(axis=0)
        kept = products[:, good]
        return cls([nodes[k] for k in finite], table, pairs[good], kept, kept * kept)

    def without(self, *columns: int) -> np.ndarray:
        """Return which values follow from none of some columns: bool (values,)."""
        return np.array([found.isdisjoint(columns) for found in self._followed], bool)

    @cached_property
    def _followed(self) -> Sequence[frozenset[int]]:
        """Columns that each value follows from."""
        return [node.columns for node in self.nodes]


def _value(node: VirtualColumn, own: dict[int, np.ndarray]) -> np.ndarray:
    if node.column >= 0:
        return own[node.column]
    columns, program = program_of(node)
    return run(program, [own[j] for j in columns])


def _vectors(names: Sequence[str], columns: Sequence[int]) -> list[VirtualColumn]:
    """Return lengths of vectors whose components are called alike, and components of those given by pt, eta and phi."""
    number = {names[j]: j for j in columns}
    found: dict[VirtualColumn, None] = {}
    for name, j in number.items():
        for place, letter in enumerate(name):
            if letter not in "xX":
                continue
            y, z = (name[:place] + other + name[place + 1 :] for other in ("yz" if letter == "x" else "YZ"))
            if y in number:
                across = (VirtualColumn(j), VirtualColumn(number[y]))
                found[VirtualColumn(code=NORM, parts=across)] = None
                if z in number:
                    found[VirtualColumn(code=NORM, parts=(*across, VirtualColumn(number[z])))] = None
        phi, eta = _beside(name, "phi", number), _beside(name, "eta", number)
        if phi is not None and phi != j:
            turned = [VirtualColumn(code=code, parts=(VirtualColumn(phi),)) for code in (COSINE, SINE)]
            turned += (
                [VirtualColumn(code=code, parts=(VirtualColumn(eta),)) for code in (SINH, COSH)]
                if eta is not None
                else []
            )
            for factor in turned:
                found[VirtualColumn(code=PRODUCTS, parts=(VirtualColumn(j), factor), numbers=(1.0,))] = None
    angles = [VirtualColumn(j) for name, j in number.items() if "phi" in name.lower()][:_MOST_ANGLES]
    found |= {VirtualColumn(code=TURN, parts=pair): None for pair in combinations(angles, 2)}
    return list(found)


def _beside(name: str, angle: str, number: dict[str, int]) -> int | None:
    """Return the column of an angle that belongs to a momentum, by its name."""
    for short, long in (("pt", angle), ("Pt", angle.capitalize()), ("PT", angle.upper())):
        if short in name and name.replace(short, long) in number:
            return number[name.replace(short, long)]
    if "met" in name.lower():
        for tail in (f"_{angle}", angle, angle.capitalize()):
            if name + tail in number:
                return number[name + tail]
    return None


@dataclass(frozen=True)
class _Sum:
    """What may be a sum of products.

    Attributes
    ----------
    wanted, error
        float64 (rows,): the values, and the size of error that is of no account.
    apart_from
        Columns that no product may follow from.
    """

    wanted: np.ndarray
    error: np.ndarray
    apart_from: tuple[int, ...]


def _products(sums: Sequence[_Sum], offered: _Offered) -> list[VirtualColumn | None]:
    """Return sums of few products that give the wanted values, or None."""
    targets = []
    for one in sums:
        free = offered.without(*one.apart_from)
        error = one.error + _ROUNDING * np.abs(one.wanted).mean() + _SMALLEST
        targets.append(SoughtSum(one.wanted, error, free[offered.pairs].all(axis=1)))
    # at first as if all rows were equally wrong: small values might outweigh all others, and pursuit go astray
    even = [replace(target, noise=np.maximum(target.noise, target.noise.mean())) for target in targets]
    found = pursued(even, offered.products, offered.squares)
    again = [place for place, terms in enumerate(found) if terms is None]
    for place, terms in zip(
        again, pursued([targets[k] for k in again], offered.products, offered.squares), strict=True
    ):
        found[place] = terms
    return [_sum_of(terms, offered) if terms else None for terms in found]


def _sum_of(terms: Terms, offered: _Offered) -> VirtualColumn:
    parts = tuple(offered.nodes[place] for k, _ in terms for place in offered.pairs[k].tolist())
    return VirtualColumn(code=PRODUCTS, parts=parts, numbers=tuple(factor for _, factor in terms))


def _quadratic(
    own: dict[int, np.ndarray], noise: dict[int, np.ndarray], offered: _Offered
) -> dict[int, list[VirtualColumn]]:
    """Return sums of products that give each column or its square."""
    plain = _products([_Sum(own[j], noise[j], (j,)) for j in own], offered)
    found = {j: [] if node is None else [node] for j, node in zip(own, plain, strict=True)}
    rest = [j for j in own if not found[j] and (own[j] >= 0).all()]
    squares = [_Sum(own[j] * own[j], 2 * own[j] * noise[j] + noise[j] * noise[j], (j,)) for j in rest]
    for j, total in zip(rest, _products(squares, offered), strict=True):
        if total is not None:
            found[j].append(VirtualColumn(code=ROOT, parts=(total,)))
    return found


def _quotients(
    pairs: Sequence[tuple[int, int]], own: dict[int, np.ndarray], noise: dict[int, np.ndarray], offered: _Offered
) -> list[tuple[tuple[int, int], VirtualColumn]]:
    """Return sums of products that give a column, or its square, times another one or the square of that."""
    found: dict[tuple[int, int], VirtualColumn] = {}
    for power in (1.0, 2.0):
        rest = [pair for pair in pairs if pair not in found]
        sizes = [np.abs(own[other]) ** power for _, other in rest]
        sums = [
            _Sum(own[j] * own[other] ** power, noise[j] * size, (j, other))
            for (j, other), size in zip(rest, sizes, strict=True)
        ]
        for pair, total in zip(rest, _products(sums, offered), strict=True):
            if total is not None:
                parts = (total, VirtualColumn(pair[1]))
                found[pair] = VirtualColumn(code=POWERS, parts=parts, numbers=(1.0, 1.0, -power))
    rest = [(j, by) for j, by in pairs if (j, by) not in found and (own[j] >= 0).all() and (own[by] >= 0).all()]
    wholes = [own[j] * own[by] for j, by in rest]
    sums = [
        _Sum(whole * whole, 2 * whole * noise[j] * own[by], (j, by))
        for whole, (j, by) in zip(wholes, rest, strict=True)
    ]
    for pair, total in zip(rest, _products(sums, offered), strict=True):
        if total is not None:
            parts = (VirtualColumn(code=ROOT, parts=(total,)), VirtualColumn(pair[1]))
            found[pair] = VirtualColumn(code=POWERS, parts=parts, numbers=(1.0, 1.0, -1.0))
    return [(pair, found[pair]) for pair in pairs if pair in found]


def _is_divisor(node: VirtualColumn) -> bool:
    """Return whether a column that this gives may be one that others were divided by: a norm or a sum, and no mere copy."""
    if node.code == ROOT:
        return _is_divisor(node.parts[0])
    return node.code == PRODUCTS and len(set(node.parts)) > 1


def _powers(target: np.ndarray, column: int, offered: _Offered) -> list[VirtualColumn]:
    """Return a factor times powers of one or two columns, if that gives a column."""
    nodes, values = offered.nodes, offered.values.T
    rows = np.flatnonzero(np.abs(target) > _TINY * np.abs(target).max(initial=1.0))[:_ROWS_OF_POWERS]
    free = offered.without(column)
    usable = [k for k, v in enumerate(values) if free[k] and (np.abs(v[rows]) > 0).all()]
    if len(rows) < 32 or not usable:
        return []
    own = np.log(np.abs(target[rows]))
    logs = np.stack([np.log(np.abs(values[k][rows])) for k in usable])
    spread = own.std()
    own, logs = own - own.mean(), logs - logs.mean(axis=1, keepdims=True)
    if spread < 10 * _CLOSE:
        return []
    terms = np.concatenate([power * logs for power in _POWERS] + [np.zeros((1, len(rows)))])
    lengths, match, products = (terms * terms).sum(1), terms @ own, terms @ terms.T
    rest = own @ own + lengths[:, None] + lengths - 2 * match[:, None] - 2 * match + 2 * products
    count = len(usable)
    alike = np.arange(len(terms)) % count
    rest[(alike[:, None] == alike) & (np.arange(len(terms))[:, None] < count * len(_POWERS))] = np.inf
    rest[: count * len(_POWERS), -1] = own @ own + lengths[:-1] - 2 * match[:-1]
    first, second = np.unravel_index(int(np.argmin(rest)), rest.shape)
    if rest[first, second] > _CLOSE**2 * len(rows):
        return []
    chosen = [place for place in (int(first), int(second)) if place < count * len(_POWERS)]
    parts = tuple(nodes[usable[place % count]] for place in chosen)
    powers = tuple(_POWERS[place // count] for place in chosen)
    sizes = [np.abs(values[usable[place % count]][rows]) ** _POWERS[place // count] for place in chosen]
    shares = target[rows] / np.prod(sizes, axis=0)
    factor = float(f"{np.median(shares):.9g}")
    return [VirtualColumn(code=POWERS, parts=parts, numbers=(factor, *powers))] if chosen else []
