"""Propose a bound for a column of errors, whose values are less precise than those that they belong to."""

from __future__ import annotations

import numpy as np

from baler_core.suggest.objections import MOVED_DISTRIBUTION, moved_distribution
from baler_core.suggest.proposal import LOSSLESS, UNCERTAINTIES, Proposal, absolute

# Fewer values than these do not tell which are common.
_FEW = 30
# Errors of which more than this part are the same number were chosen, not measured.
_CHOSEN_ERRORS = 0.05
# What errors may lose of themselves, the first that leaves their distribution as it is.
_OF_ERRORS = (0.05, 0.02, 0.01)
# A loss of errors that takes more of their spread would show in their distribution.
_OF_SPREAD = 0.02
# No error may change by more than this part of it.
_OF_SMALLEST = 0.1


def of_uncertainty(values: np.ndarray | None) -> Proposal:
    """Return a twentieth of it, unless many rows share a value that somebody chose, which moving would show in its distribution.

    Zeros are kept by bounds that are relative to values.
    """
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    some = known[known != 0]
    if some.size < _FEW:
        return Proposal(UNCERTAINTIES, "an uncertainty", is_below_noise=True)
    distinct, counts = np.unique(some, return_counts=True)
    if counts.max() > _CHOSEN_ERRORS * known.size:
        return Proposal(
            LOSSLESS, f"an uncertainty; {counts.max() / known.size:.0%} are exactly {distinct[counts.argmax()]:.6g}"
        )
    low, high = np.percentile(some, (5, 95))
    middle = abs(float(np.median(some)))
    allowed = _OF_SPREAD / 2 * (high - low)
    # an error of 0 would be an infinite weight, so the smallest keep most of what they are
    if 0 < 2 * allowed < 0.05 * middle and allowed < _OF_SMALLEST * float(np.abs(some).min()):
        has_zeros = known.size - some.size >= _CHOSEN_ERRORS * known.size
        bound = absolute(allowed / middle).replace("abs", "rel") if has_zeros else absolute(allowed)
        return Proposal(bound, "an uncertainty that hardly varies: a hundredth of its spread", is_below_noise=True)
    for share in _OF_ERRORS:
        if moved_distribution(some, share * np.abs(some), relative=True) <= MOVED_DISTRIBUTION:
            return Proposal(f"{{rel: {share:g}}}", "an uncertainty", is_below_noise=True)
    return Proposal(LOSSLESS, "an uncertainty, of which any loss would change the distribution")
