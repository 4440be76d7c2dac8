"""Find sparse linear relations with coefficients k/4 between columns: sums, differences, negatives, copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_PARENTS = 8
_SOLVED_AT_ONCE = 48
HOPELESS = {5: 0.5, 9: 0.02}
"""By number of terms: a pursuit ends that leaves more than this share of the energy; some that succeed leave 0.31 after 5."""
PURSUED = 256
"""In wider tables only so many candidates, those most like the target, are looked at closely."""
_MOST_ERROR = 2.0
"""Noise by which a sum may miss its target."""
_ROUNDING = 4e-16

Terms = tuple[tuple[int, float], ...]
"""(candidate, coefficient) of each term."""


def matches(numbers: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of columns as each of them weighs the rows, and the products of all with it, at once.

    Parameters
    ----------
    numbers
        float64 (rows, columns), finite.
    weights
        float64 (rows, columns): what each column as a target weighs the rows by.

    Returns
    -------
    tuple
        Both float64 (candidates, targets); the products are by candidates of length 1.
    """
    squares = weights * weights
    lengths = np.sqrt((numbers * numbers).T @ squares) + 1e-300
    return lengths, (numbers.T @ (numbers * squares)) / lengths


def follows_from_none(numbers: np.ndarray, finite: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return which columns no sum of the other ones gives, whatever the coefficients: bool (columns,).

    All at once: what the best coefficients leave of a column follows from the inverse of all products. Where that is in
    total more than errors within the noise could be, no pursuit need be tried.

    Parameters
    ----------
    numbers, noise
        float64 (rows, columns): values, and errors of no account.
    finite
        Which columns are finite throughout; nothing is said of the others.
    """
    hopeless = np.zeros(len(finite), bool)
    columns = np.flatnonzero(finite)
    if len(columns) < 2:
        return hopeless
    inside = numbers[:, columns]
    lengths = np.sqrt((inside * inside).sum(axis=0)) + 1e-300
    inside = inside / lengths
    strengths, vectors = np.linalg.eigh(inside.T @ inside)
    strengths = np.maximum(strengths, _ROUNDING * len(columns))
    left = 1 / (vectors * vectors / strengths).sum(axis=1)
    with np.errstate(over="ignore"):  # of a column of zeros, anything is allowed
        allowed = (_MOST_ERROR * noise[:, columns] / lengths) ** 2
    hopeless[columns] = left > allowed.sum(axis=0) + _ROUNDING * len(columns)
    return hopeless


def relation_among_most_alike(
    target: np.ndarray, candidates: np.ndarray, noise: np.ndarray, lengths: np.ndarray, match: np.ndarray
) -> Terms | None:
    """Return the same as `sparse_relation`, in wide tables, from what `matches` found; candidates of length 0 are none."""
    strongest = np.sort(np.argpartition(-np.abs(match), PURSUED)[:PURSUED])
    weights = 1 / noise
    scaled = candidates[:, strongest] * weights[:, None] / lengths[strongest]
    found = _pursue(target * weights, scaled, lengths[strongest], match[strongest])
    return None if found is None else tuple((int(strongest[k]), factor) for k, factor in found)


def sparse_relation(target: np.ndarray, candidates: np.ndarray, noise: np.ndarray) -> Terms | None:
    """Return the terms that add up to `target` in every row, or None.

    Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad 1993), then least squares with all candidates, each with
    the coefficients rounded to quarters and verified.

    Parameters
    ----------
    target
        float64 (rows,), finite.
    candidates
        float64 (rows, candidates), finite.
    noise
        float64 (rows,): size of error that is of no account, > 0.
    """
    wanted, scaled, lengths = _scaled(target, candidates, noise)
    match = scaled.T @ wanted
    if len(match) > PURSUED:
        return relation_among_most_alike(target, candidates, noise, lengths, match)
    found = _pursue(wanted, scaled, lengths, match)
    if found is None and 1 < scaled.shape[1] <= min(_SOLVED_AT_ONCE, len(target) // 4):
        found = _solve(wanted, scaled, lengths, scaled.T @ scaled, match)
    return found


def _scaled(target: np.ndarray, candidates: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return target and candidates in units of the noise, the candidates of length 1, and what their lengths were."""
    weights = 1 / noise
    offered = candidates * weights[:, None]
    lengths = np.sqrt((offered * offered).sum(0)) + 1e-300
    return target * weights, offered / lengths, lengths


def _pursue(wanted: np.ndarray, scaled: np.ndarray, lengths: np.ndarray, match: np.ndarray) -> Terms | None:
    chosen: list[int] = []
    # products of the chosen columns with all others: those of all with all would take far longer in wide tables
    products = np.zeros((scaled.shape[1], 0))
    rest = match
    for _ in range(min(MOST_PARENTS, scaled.shape[1])):
        strength = np.abs(rest)
        strength[chosen] = -1
        chosen.append(int(strength.argmax()))
        products = np.column_stack([products, scaled.T @ scaled[:, chosen[-1]]])
        within = products[chosen] + 1e-14 * np.eye(len(chosen))
        answer = np.linalg.solve(within, match[chosen])
        rest = match - products @ answer
        energy = float(wanted @ wanted - match[chosen] @ answer)
        if energy > HOPELESS.get(len(chosen), np.inf) * float(wanted @ wanted):
            return None
        if energy < len(wanted) and np.abs(wanted - scaled[:, chosen] @ answer).max() < 1:
            return in_quarters(wanted, scaled[:, chosen], lengths[chosen], chosen, answer)
    return None


def _solve(
    wanted: np.ndarray, scaled: np.ndarray, lengths: np.ndarray, products: np.ndarray, match: np.ndarray
) -> Terms | None:
    values, vectors = np.linalg.eigh(products)
    if values[0] <= 1e-12 * values[-1]:
        return None
    answer = vectors @ ((vectors.T @ match) / values)
    return in_quarters(wanted, scaled, lengths, list(range(scaled.shape[1])), answer)


def in_quarters(
    wanted: np.ndarray, columns: np.ndarray, lengths: np.ndarray, numbers: Sequence[int], answer: np.ndarray
) -> Terms | None:
    """Return the terms of columns, by their numbers, rounded to quarters, if they still give the target everywhere.

    Parameters
    ----------
    wanted, columns
        float64 (rows,) and (rows, columns), in units of the noise; columns of length 1.
    lengths, answer
        What the lengths were, and the coefficients: float64 (columns,).
    """
    quarters = np.rint(answer / lengths * 4) / 4
    used = np.flatnonzero(quarters)
    if not 0 < len(used) <= 12 or np.abs(quarters).max() > 64:
        return None
    given = columns[:, used] @ (quarters[used] * lengths[used])
    terms = tuple((numbers[k], float(quarters[k])) for k in used.tolist())
    return terms if np.abs(wanted - given).max() < _MOST_ERROR else None
