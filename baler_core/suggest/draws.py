"""Tell noisy signals from independent quantities, features and angles, which only look like noise."""

from __future__ import annotations

import re

import numpy as np

from baler_core.data.noise import Noise
from baler_core.data.variables import Variable
from baler_core.suggest.kinds import angle_bound
from baler_core.suggest.proposal import Proposal, absolute

# A series whose noise is more than half of its spread, and that lies within ten times its noise of zero, is none: quantities
# of events drawn from exponential, normal and uniform distributions have 0.9 to 1.1, and lie within five.
_OF_DRAWS, _FAR_OFF, _FARTHER_OFF = 0.5, 10.0, 300.0
# Of light, and other signals of a detector; of other quantities, such as masses and temperatures, 300 times.
_SIGNAL = re.compile(
    r"(?i).*(?:flux|flx|mag|lum|bright|intensit|radian|signal|count|rate|sap|light|photon|strain|adc|volt|power).*"
)
_SIGNAL_UNITS = re.compile(
    r"(?i)(?:.*mag|m?jy|n?maggy|.*erg.*|.*(?:adu|electron|e-|count|ct|dn|photon).*|[mµun]?v|mv|dbm?)"
)
# Dimensions that a reader made up, since the file names none; rows of features and components lie along such.
_MADE_UP = re.compile(r"(?:.*/)?dim\d+(?:_\d+)?")
_IMAGE = re.compile(r"(?i).*(?:image|img|frame|sky|sci|flat|dark|bias|photo|pixel|map|spectr|noise).*")
_OF_SPREAD = 0.01


def are_draws(values: np.ndarray, noise: Noise, variable: Variable) -> bool:
    """Whether a series may be independent quantities, as of events in the order of their times, and no noisy signal.

    Neighbours have nothing in common and differ about as much as any two values, which are not far off zero beside that.
    """
    is_signal = _SIGNAL.fullmatch(variable.name) or _SIGNAL_UNITS.fullmatch(variable.units)
    far = _FAR_OFF if is_signal else _FARTHER_OFF
    return _all_noise(values, noise) and abs(float(np.nanmedian(values))) < far * noise.sigma


def _all_noise(values: np.ndarray, noise: Noise) -> bool:
    """Whether neighbours have nothing in common and differ about as much as any two values."""
    low, high = np.percentile(values[np.isfinite(values)], (16, 84))
    return bool(noise.is_white and noise.sigma > _OF_DRAWS * (high - low) / 2)


def of_features(values: np.ndarray, noise: Noise, variable: Variable) -> Proposal | None:
    """Return what suits an array whose values have nothing in common with their neighbours and that may be no image.

    It may be a table of features, or components of vectors, if nothing says what it is; angles come back to where they began.
    """
    if not _all_noise(values, noise):
        return None
    angle = angle_bound(variable)
    if angle is not None:
        return angle
    is_told = variable.units or variable.standard_name or variable.role or _IMAGE.fullmatch(variable.name)
    if is_told or not all(map(_MADE_UP.fullmatch, variable.dims)):
        return None
    why = "neighbours have nothing in common, so it may be no image: a hundredth of the common spread"
    return Proposal(absolute(_OF_SPREAD * noise.sigma), why, is_below_noise=True)
