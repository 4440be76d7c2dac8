"""Find relations between columns in a sample, test those that are offered, and keep the best without cycles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from baler_core.builtin.models.table.relations.linear import (
    PURSUED,
    Terms,
    follows_from_none,
    matches,
    relation_among_most_alike,
    sparse_relation,
)
from baler_core.builtin.models.table.relations.order import entropy
from baler_core.builtin.models.table.relations.programs import NAME as PROGRAM
from baler_core.builtin.models.table.relations.relation import LINEAR, Relation
from baler_core.builtin.models.table.relations.residuals import FAR, Steps, predict, residuals, steps_for
from baler_core.builtin.models.table.relations.virtual import virtual_relations
from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import FORMULAS, Formula
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import Lattice

_SEARCHED, _TESTED = 1_000, 20_000
_WIDE = 300
_FEWEST_ROWS, _WORTH_SEARCHING, _PER_NUMBER = 500, 3.0, 16
"""Shorter tables are not searched for norms and the like; bits per row that a column must take to be; bits that a number of a program takes."""
_LARGE = 8_000.0
"""Bits that a column must take for quotients to be searched, which takes the longest."""
_HUGE = 1e30
"""Larger values are left out of the search, so that their squares stay finite."""


@dataclass(frozen=True)
class SampledColumn:
    """A column as the search sees it.

    Attributes
    ----------
    name
        The variable's.
    values
        A sample, 1-D, of the variable's dtype.
    lattice, tolerance
        Its own.
    """

    name: str
    values: np.ndarray
    lattice: Lattice
    tolerance: Tolerance

    @property
    def steps(self) -> Steps | None:
        """How its residuals would be counted."""
        finite = self.values[np.isfinite(self.values)] if self.values.dtype.kind == "f" else self.values
        largest = float(np.abs(finite.astype(np.float64)).max(initial=0.0))
        return steps_for(self.lattice, self.tolerance, largest)


def find_relations(
    columns: Sequence[SampledColumn],
    formulas: Sequence[Formula] = (),
    scaled: Collection[int] = (),
    *,
    virtual: bool = False,
) -> dict[int, Relation]:
    """Relations worth using, by target column, in an order in which parents come before what is derived from them.

    Parameters
    ----------
    scaled
        Columns that have no part in any: they are restored after all others.
    virtual
        Whether norms, sums of products and powers of columns are searched for, too.
    """
    tested = [SampledColumn(c.name, _thinned(c.values, _TESTED), c.lattice, c.tolerance) for c in columns]
    if not tested or len(tested[0].values) < 8:
        return {}
    codes = [c.lattice.codes(c.values) for c in tested]
    restored = {j: c.lattice.restore(codes[j]) for j, c in enumerate(tested)}
    own = [0.0 if j in scaled else entropy(c) for j, c in enumerate(codes)]
    candidates = _offered(columns, formulas) + _copies(tested) + _linear(columns, own)
    if virtual and len(columns[0].values) >= _FEWEST_ROWS:
        candidates += _virtual(columns, own)
    savings = [
        (_saving(target, relation, tested, restored, own) - _stored(relation, columns), target, relation)
        for target, relation in candidates
        if not any(parent in scaled for parent in relation.parents)
    ]
    chosen: dict[int, Relation] = {}
    for saving, target, relation in sorted(savings, key=lambda s: -s[0]):
        free = saving > 0 and target not in chosen and not _reaches(chosen, relation.parents, target)
        if free and _exact_enough(target, relation, columns, chosen):
            chosen[target] = relation
    return _sorted(chosen)


def _thinned(values: np.ndarray, rows: int) -> np.ndarray:
    return values[:: max(1, len(values) // rows)]


def _offered(columns: Sequence[SampledColumn], formulas: Sequence[Formula]) -> list[tuple[int, Relation]]:
    """Return formulas whose variables are all here."""
    number = {c.name: j for j, c in enumerate(columns)}
    return [
        (number[f.target], Relation(f.name, tuple(number[p] for p in f.parents), f.constants))
        for f in formulas
        if f.target in number and f.name in FORMULAS and all(p in number and p != f.target for p in f.parents)
    ]


def _copies(columns: Sequence[SampledColumn]) -> list[tuple[int, Relation]]:
    """Find columns that repeat an earlier one."""
    first: dict[bytes, int] = {}
    found = []
    for j, column in enumerate(columns):
        with np.errstate(invalid="ignore"):  # signalling NaNs
            numbers = column.values.astype(np.float64)
        earlier = first.setdefault(numbers.tobytes(), j)
        if earlier != j:
            found.append((j, Relation(LINEAR, (earlier,), (1.0,))))
    return found


def _linear(columns: Sequence[SampledColumn], own: Sequence[float]) -> list[tuple[int, Relation]]:
    """Return the sparse linear relation of each column that has one."""
    rows = _SEARCHED if len(columns) < _WIDE else 300
    varied = [j for j, h in enumerate(own) if h > 0]
    if not varied:
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.stack([_thinned(columns[j].values, rows).astype(np.float64) for j in varied], axis=1)
    finite = np.isfinite(numbers) & (np.abs(numbers) < _HUGE)
    noise = np.stack([_noise(columns[j], numbers[:, k], rows) for k, j in enumerate(varied)], axis=1)
    throughout: np.ndarray = np.asarray(finite.all(axis=0))
    together = np.flatnonzero(throughout)
    terms: list[Terms | None] = [None] * len(varied)
    if len(together) > PURSUED + 1 and len(numbers) >= 8:
        wanted = [columns[varied[k]].values.dtype.kind != "b" for k in together]
        found = _in_wide_table(numbers[:, together], noise[:, together], wanted)
        for k, some in zip(together.tolist(), found, strict=True):
            terms[k] = None if some is None else tuple((int(together[place]), factor) for place, factor in some)
        searched = ~throughout
    else:
        searched = ~follows_from_none(numbers, throughout, noise)
    for place in np.flatnonzero(searched).tolist():
        terms[place] = _from_others(numbers, finite, noise[:, place], place)
    return [
        (j, Relation(LINEAR, tuple(varied[k] for k, _ in found), tuple(a for _, a in found)))
        for j, found in zip(varied, terms, strict=True)
        if found is not None
    ]


def _virtual(columns: Sequence[SampledColumn], own: Sequence[float]) -> list[tuple[int, Relation]]:
    """Return relations to norms, sums of products and powers of other columns."""
    wanted = [j for j, h in enumerate(own) if h > _WORTH_SEARCHING and columns[j].values.dtype.kind == "f"]
    numbers = [_thinned(c.values, _SEARCHED).astype(np.float64) for c in columns]
    noise = [_noise(c, numbers[j], _SEARCHED) if j in wanted else numbers[j] for j, c in enumerate(columns)]
    large = {j for j in wanted if own[j] * len(columns[j].values) > _LARGE}
    found = virtual_relations([c.name for c in columns], numbers, noise, wanted, large)
    return [(j, Relation(PROGRAM, parents, program)) for j, parents, program in found]


def _stored(relation: Relation, columns: Sequence[SampledColumn]) -> float:
    """Return bits per row that a program takes in the plan, about."""
    return _PER_NUMBER * len(relation.constants) / len(columns[0].values) if relation.name == PROGRAM else 0.0


def _noise(column: SampledColumn, numbers: np.ndarray, rows: int) -> np.ndarray:
    """Return the size of error that is of no account, > 0, for each sampled value (as float64: `numbers`) of a target."""
    allowed = column.tolerance.allowed(_thinned(column.values, rows))
    usual = np.abs(numbers[np.isfinite(numbers) & (np.abs(numbers) < _HUGE)])
    middle = float(usual.mean()) if usual.size else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.isfinite(allowed), allowed, 0) + 2e-6 * (np.abs(numbers) + middle) + 1 / _HUGE


def _in_wide_table(numbers: np.ndarray, noise: np.ndarray, wanted: Sequence[bool]) -> list[Terms | None]:
    """Return the relation of each wanted one of many columns, all finite, to those most like it; flags follow from none."""
    lengths, match = matches(numbers, 1 / noise)
    np.fill_diagonal(match, 0.0)
    found: list[Terms | None] = []
    for place in range(len(match)):
        if not wanted[place]:
            found.append(None)
            continue
        terms = relation_among_most_alike(
            numbers[:, place], numbers, noise[:, place], lengths[:, place], match[:, place]
        )
        itself = terms is not None and any(k == place for k, _ in terms)
        found.append(None if itself else terms)
    return found


def _from_others(numbers: np.ndarray, finite: np.ndarray, noise: np.ndarray, place: int) -> Terms | None:
    """Return the relation of one column to those that are finite wherever it is."""
    mask = finite[:, place]
    allowed: np.ndarray = np.asarray((finite | ~mask[:, None]).all(axis=0))
    allowed[place] = False
    others = np.flatnonzero(allowed)
    if mask.sum() < 8 or not len(others):
        return None
    terms = sparse_relation(numbers[mask, place], numbers[np.ix_(mask, others)], noise[mask])
    return None if terms is None else tuple((int(others[k]), factor) for k, factor in terms)


def _saving(
    target: int,
    relation: Relation,
    columns: Sequence[SampledColumn],
    restored: Mapping[int, np.ndarray],
    own: Sequence[float],
) -> float:
    """Return bits per row that the relation would save, judged on the sample; 0 or less if it is no good."""
    column = columns[target]
    steps = column.steps
    if steps is None or own[target] == 0:
        return 0.0
    values, scale = relation.evaluate(restored)
    prediction = predict(values, scale, column.lattice, steps)
    special = column.lattice.quantise(column.values)[1].astype(np.int64)
    found = residuals(column.values, prediction, column.lattice, steps)
    lost = (special == 0) & (found == FAR)
    symbols = np.where(special > 0, np.where(special == prediction.special, 0, FAR + special), found)
    cost = entropy(symbols) + 40 * float(lost.mean())
    return own[target] - cost if cost < 0.7 * own[target] else 0.0


def _reaches(chosen: Mapping[int, Relation], parents: Sequence[int], target: int) -> bool:
    """Return whether `target` is among the ancestors of `parents`."""
    return any(p == target or (p in chosen and _reaches(chosen, chosen[p].parents, target)) for p in parents)


def _exact_enough(
    target: int, relation: Relation, columns: Sequence[SampledColumn], chosen: Mapping[int, Relation]
) -> bool:
    """Return whether rounding the prediction gives the same integer on every machine, if it has to be rounded."""
    steps = columns[target].steps
    if steps is not None and steps.kind in ("log", "plain"):
        return True
    return relation.name in (LINEAR, PROGRAM) and all(_is_exact(p, columns, chosen) for p in relation.parents)


def _is_exact(number: int, columns: Sequence[SampledColumn], chosen: Mapping[int, Relation]) -> bool:
    """Return whether a column is restored by additions, multiplications and divisions alone."""
    if number not in chosen:
        return columns[number].lattice.exact
    steps = columns[number].steps
    linear = chosen[number].name == LINEAR and steps is not None and steps.kind != "log"
    return linear and all(_is_exact(p, columns, chosen) for p in chosen[number].parents)


def _sorted(chosen: Mapping[int, Relation]) -> dict[int, Relation]:
    """Return parents before children."""
    done: dict[int, Relation] = {}
    while len(done) < len(chosen):
        ready = [t for t, r in chosen.items() if t not in done and all(p in done or p not in chosen for p in r.parents)]
        if not ready:
            raise FormatError("relations of a table follow from each other in a circle")
        done.update((t, chosen[t]) for t in sorted(ready))
    return done
