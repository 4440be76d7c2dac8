"""Say why a file will be as large as it will: columns that follow from others, noise, constants, repeated values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from baler_core.data.noise import noise_of
from baler_core.data.variables import Variable
from baler_core.suggest.autoencoders import normal_bits

_ROWS = 4096
# Columns of which less than this share of the variance is left by a linear combination of others follow from them.
_LEFT = 1e-3
# What is less than this is rounding.
_EXACTLY, _NEAR = 1e-12, 1e-5
_MOST_PARENTS = 3
_MOST_COLUMNS = 200
_FEW_BITS = 1.0


def constants(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the variables of which all values of a sample are the same."""
    return [name for name, values in arrays.items() if values.size > 1 and _is_constant(values)]


def _is_constant(values: np.ndarray) -> bool:
    flat = values.reshape(-1)
    same = (flat == flat[0]) | ((flat != flat) & (flat[0] != flat[0]))
    return bool(np.all(same))


def noise_bits(values: np.ndarray, allowed: float) -> float:
    """Return how many bits per value the noise of a field takes if values may be wrong by `allowed`: 0 for none."""
    if not allowed > 0 or values.ndim < 2:
        return 0.0
    noise = noise_of(values.astype(np.float64))
    return float(normal_bits(np.array(noise.sigma / allowed))) if noise.is_noise and noise.sigma > 0 else 0.0


def noisy(
    fields: Mapping[str, np.ndarray], allowed: Mapping[str, float], variables: Mapping[str, Variable]
) -> Iterator[str]:
    """Yield a sentence for each field whose noise takes many of its bits."""
    for name, values in fields.items():
        bits = noise_bits(values, allowed.get(name, 0.0))
        if bits >= _FEW_BITS:
            of = 8 * variables[name].numpy_dtype.itemsize
            yield f"{name}: noise of {bits:.1f} bits per value (of {of}), which nothing can compress within its bound"


def dependent(names: Sequence[str], columns: np.ndarray) -> Iterator[str]:
    """Yield a sentence for each column that follows from others of the same rows.

    Parameters
    ----------
    columns
        A sample, float64 (rows, columns), finite, no column constant.
    """
    if not 2 <= len(names) <= _MOST_COLUMNS or len(columns) < 4 * len(names):
        return
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    correlation = standard.T @ standard / len(standard)
    seen: set[str] = set()
    for place, name in enumerate(names):
        parents = _parents(correlation, place)
        left = _left(standard, place, parents)
        group = frozenset((name, *(names[parent] for parent in parents)))
        if left < _LEFT and not group <= seen:
            seen |= group
            if len(parents) == 1 and left < _EXACTLY:
                yield f"{name} {_multiple(columns[:, place], columns[:, parents[0]], names[parents[0]])}"
            else:
                yield f"{name} follows to {100 * (1 - left):.4g} % from {' and '.join(names[one] for one in parents)}"


def _multiple(column: np.ndarray, parent: np.ndarray, name: str) -> str:
    """Say what a column is that follows exactly from another by a straight line."""
    slope, offset = np.polyfit(parent - parent.mean(), column, 1)
    offset -= slope * parent.mean()
    near = _NEAR * max(1e-300, float(np.abs(column).max()))
    passes_zero = abs(offset) <= near
    if passes_zero and abs(slope - 1) <= _NEAR:
        return f"is the same as {name}"
    if passes_zero and abs(slope + 1) <= _NEAR:
        return f"is {name} with the other sign"
    more = "" if passes_zero else f" {'-' if offset < 0 else '+'} {abs(offset):.4g}"
    return f"is {slope:.4g} times {name}{more}"


def _parents(correlation: np.ndarray, place: int) -> list[int]:
    """Return the few columns that explain one: added one by one, then left out again where the others do without."""
    chosen: list[int] = []
    for _ in range(_MOST_PARENTS):
        rest = [other for other in range(len(correlation)) if other != place and other not in chosen]
        if not rest:
            break
        chosen.append(min(rest, key=lambda other: _unexplained(correlation, place, [*chosen, other])))
        if _unexplained(correlation, place, chosen) < _LEFT:
            break
    for parent in chosen[:-1]:
        others = [other for other in chosen if other != parent]
        if _unexplained(correlation, place, others) < _LEFT:
            chosen = others
    return chosen


def _unexplained(correlation: np.ndarray, place: int, parents: Sequence[int]) -> float:
    of_parents = correlation[np.ix_(parents, parents)] + 1e-12 * np.eye(len(parents))
    with_place = correlation[parents, place]
    return float(1 - with_place @ np.linalg.solve(of_parents, with_place))


def _left(standard: np.ndarray, place: int, parents: Sequence[int]) -> float:
    """Return the share of the variance of a column that its parents leave."""
    weights, *_ = np.linalg.lstsq(standard[:, parents], standard[:, place], rcond=None)
    return float(np.square(standard[:, place] - standard[:, parents] @ weights).mean())


def distinct_few(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, int]]:
    """Yield variables with few distinct values in a sample of many, and how many."""
    for name, values in arrays.items():
        flat = values.reshape(-1)[:_ROWS]
        if flat.dtype.kind in "iuf" and flat.size >= _ROWS // 4:
            count = np.unique(flat).size
            if 1 < count <= 64:
                yield name, count
