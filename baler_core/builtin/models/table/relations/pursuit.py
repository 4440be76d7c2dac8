"""Find sparse sums of candidates that give many targets at once: one matrix product serves a step of all pursuits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.table.relations.linear import HOPELESS, MOST_PARENTS, Terms, in_quarters
from baler_core.machine.records import dataclass

_MOST_TERMS = 2 * MOST_PARENTS
_SOON = 5
"""Terms."""
_TOGETHER = 32
"""Targets that are pursued at once: more would fill the caches."""


@dataclass(frozen=True)
class SoughtSum:
    """What is to be a sum of candidates.

    Attributes
    ----------
    values, noise
        float64 (rows,), finite; the size of error that is of no account, > 0.
    allowed
        Which candidates may be terms: bool (candidates,).
    """

    values: np.ndarray
    noise: np.ndarray
    allowed: np.ndarray


HOPELESS_TARGET: Terms = ()
"""Found of a target of which a few terms gave next to nothing."""


def pursued(targets: Sequence[SoughtSum], candidates: np.ndarray, squares: np.ndarray) -> list[Terms | None]:
    """Return the terms that add up to each target in every row, None, or HOPELESS_TARGET, by orthogonal matching pursuit.

    Parameters
    ----------
    candidates, squares
        float64 (rows, candidates), finite, and their squares. They are not weighed by the noise of each target, which
        would take longer than all else.
    """
    found: list[Terms | None] = []
    for first in range(0, len(targets), _TOGETHER):
        found += _Pursuits(targets[first : first + _TOGETHER], candidates, squares).run()
    return found


class _Pursuits:
    """Pursuits side by side: candidates are in units of each target's noise and of length 1.

    Arrays are (candidates, targets) or (rows, targets), and with a column for each term (targets, ..., terms).
    """

    def __init__(self, targets: Sequence[SoughtSum], candidates: np.ndarray, squares: np.ndarray) -> None:
        self._candidates = candidates
        self._weights = 1 / np.stack([target.noise for target in targets], axis=1)
        self._wanted = np.stack([target.values for target in targets], axis=1) * self._weights
        self._lengths = np.sqrt(squares.T @ (self._weights * self._weights)) + 1e-300
        self._shares = np.stack([target.allowed for target in targets], axis=1) / self._lengths
        self._energy = (self._wanted * self._wanted).sum(axis=0)
        everyone = np.arange(len(targets))
        self._match = self._along(self._wanted, everyone)
        self._rest = self._match.copy()
        most = min(_MOST_TERMS, candidates.shape[1])
        self._chosen = np.zeros((len(targets), most), np.int64)
        self._columns = np.zeros((len(targets), len(candidates), most))
        self._products = np.zeros((len(targets), candidates.shape[1], most))

    def run(self) -> list[Terms | None]:
        """Add a term to each pursuit until it has come to its end."""
        found: list[Terms | None] = [None] * len(self._chosen)
        going = np.flatnonzero(self._shares.any(axis=0))
        for count in range(1, self._chosen.shape[1] + 1):
            if not len(going):
                break
            self._add_terms(going, count)
            answer, energy = self._solve(going, count)
            hopeless = energy > HOPELESS.get(count, np.inf) * self._energy[going]
            goes_on = ~hopeless
            for number in going[hopeless & (count <= _SOON)]:
                found[number] = HOPELESS_TARGET
            for place in np.flatnonzero((energy < len(self._wanted)) & goes_on):
                number, columns = going[place], self._columns[going[place], :, :count]
                if np.abs(self._wanted[:, number] - columns @ answer[place]).max() < 1:
                    chosen = self._chosen[number, :count]
                    lengths = self._lengths[chosen, number]
                    wanted = self._wanted[:, number]
                    found[number] = in_quarters(wanted, columns, lengths, chosen.tolist(), answer[place])
                    goes_on[place] = False
            going = going[goes_on]
        return found

    def _along(self, columns: np.ndarray, going: np.ndarray) -> np.ndarray:
        """Return the products of all candidates with a column (rows,) of each of some pursuits."""
        return (self._candidates.T @ (columns * self._weights[:, going])) * self._shares[:, going]

    def _add_terms(self, going: np.ndarray, count: int) -> None:
        """Add to each pursuit the candidate most like what is left."""
        strength = np.abs(self._rest[:, going])
        strength[self._chosen[going, : count - 1], np.arange(len(going))[:, None]] = -1
        best = strength.argmax(axis=0)
        columns = self._candidates[:, best] * self._weights[:, going] / self._lengths[best, going]
        self._chosen[going, count - 1] = best
        self._columns[going, :, count - 1] = columns.T
        self._products[going, :, count - 1] = self._along(columns, going).T

    def _solve(self, going: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best coefficients of the terms so far (pursuits, terms), and the energy that they leave."""
        chosen, products = self._chosen[going, :count], self._products[going, :, :count]
        within = np.take_along_axis(products, chosen[:, :, None], axis=1) + 1e-14 * np.eye(count)
        match = np.take_along_axis(self._match[:, going].T, chosen, axis=1)
        answer = np.linalg.solve(within, match[:, :, None])
        self._rest[:, going] = self._match[:, going] - (products @ answer)[:, :, 0].T
        energy = self._energy[going] - (match * answer[:, :, 0]).sum(axis=1)
        return answer[:, :, 0], energy
