"""Define another compressor: what values it takes, under which bounds, and how it is called."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np

from baler_core.data.bounds import Tolerance, usable
from baler_core.machine.records import dataclass

Kind = Literal["exact", "abs", "rel"]


class Allowed(NamedTuple):
    """What a compressor can be told of the errors that are allowed: one number for all values.

    Attributes
    ----------
    kind
        `exact`: none. `abs`: at most `value`. `rel`: at most `value` times the value.
    value
        In the units of the stored values.
    """

    kind: Kind
    value: float = 0.0


class Coded(NamedTuple):
    """What a compressor made of an array: how many bytes, and how it is restored."""

    nbytes: int
    restore: Callable[[], np.ndarray]


class NotTakenError(Exception):
    """The compressor does not take such values, or not under such a bound."""


@dataclass(frozen=True)
class Peer:
    """Another compressor.

    Attributes
    ----------
    code
        Compresses finite values of any shape. Raises `NotTakenError` where it cannot.
    kinds
        The bounds that it can hold; one that is told `exact` loses nothing.
    packages
        What has to be installed for it, as it is imported.
    lossless
        It never loses anything: bounds are of no use to it.
    """

    name: str
    code: Callable[[np.ndarray, Allowed], Coded]
    kinds: tuple[Kind, ...]
    packages: tuple[str, ...] = ()

    @property
    def lossless(self) -> bool:
        """Whether bounds are of no use to it."""
        return self.kinds == ("exact",)

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(package for package in self.packages if find_spec(package) is None)


def told(tolerance: Tolerance, each: np.ndarray | None, values: np.ndarray) -> tuple[Allowed, np.ndarray]:
    """Return what other compressors are told of a tolerance, and which of the values they are not given.

    They know no bounds of single values, so they are told the smallest; nor missing values and zeros of relative bounds,
    so these are kept apart for them.

    Parameters
    ----------
    each
        What is allowed to each of the values, where each has a bound of its own.

    Returns
    -------
    allowed, apart
        And a boolean mask of the values' shape.
    """
    apart = ~usable(values, tolerance.fill)
    kind: str = tolerance.kind
    value = tolerance.value
    if tolerance.mean is not None:
        kind, value = _of_mean(tolerance, kind, value)
    if kind == "each" and each is not None:
        good = each > 0
        apart |= ~good
        return (Allowed("abs", float(each[good].min())) if good.any() else Allowed("exact")), apart
    if kind == "bits":
        kind, value = "rel", 2.0 ** -(value + 1)
    if kind == "rel" and tolerance.shift:
        sizes = np.abs(values[~apart].astype(np.float64) + tolerance.shift)
        smallest = float(sizes.min(initial=np.inf)) * value
        return (Allowed("abs", smallest) if 0 < smallest < np.inf else Allowed("exact")), apart
    if kind == "rel":
        return Allowed("rel", value), apart | (values == 0)
    if kind == "abs":
        whole = values.dtype.kind in "iu"
        value = float(np.floor(value)) if whole else value
        return (Allowed("abs", value) if value > 0 else Allowed("exact")), apart
    return Allowed("exact"), np.zeros(values.shape, bool)


def _of_mean(tolerance: Tolerance, kind: str, value: float) -> tuple[str, float]:
    """Return the largest error under which even errors are on average as large as is allowed, or the limit beside."""
    assert tolerance.mean is not None
    what, limit = tolerance.mean
    largest = limit * (3.0**0.5 if what == "rms" else 2.0)
    of_mean = "rel" if what == "mean_rel" else "abs"
    return (kind, min(value, largest)) if kind == of_mean else (of_mean, largest)
