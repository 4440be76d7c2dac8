"""Hold what other compressors made of the same values at the same bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class KeptQuantity:
    """What became of a derived quantity: its largest error as a share of what is allowed, and the cells beyond."""

    name: str
    largest_error: float
    share: float
    violations: int


@dataclass(frozen=True)
class PeerResult:
    """One compressor on the values of a sample.

    Attributes
    ----------
    version
        Of the packages behind it.
    nbytes
        All values; of other compressors without the names, types and metadata around them.
    beside
        How many of the variables it does not take, for which zstd -19 stands in.
    seconds
        Processor time of compressing and of restoring.
    share
        Largest error / allowed, of all variables.
    violations
        Values outside their bound, or that became missing; with those of the average, variables that exceed it.
    derived
        Quantities derived from the restored values.
    problem
        Why there is no result.
    """

    name: str
    version: str = ""
    nbytes: int = 0
    beside: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    share: float = 0.0
    violations: int = 0
    derived: tuple[KeptQuantity, ...] = ()
    problem: str = ""

    @property
    def holds(self) -> bool:
        """Whether every value is within its bound."""
        return not self.problem and not self.violations


@dataclass(frozen=True)
class PeerComparison:
    """All compressors on one sample, baler first.

    Attributes
    ----------
    native
        Bytes of the sample's values.
    whole
        Bytes of all values of the input.
    variables
        How many the sample has.
    absent
        Compressors that are not installed, with the packages they need.
    strange
        Compressors that take none of the variables under their bounds.
    """

    source: str
    native: int
    whole: int
    variables: int
    results: tuple[PeerResult, ...] = ()
    absent: tuple[tuple[str, str], ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def ours(self) -> PeerResult:
        """Return what baler made of it."""
        return self.results[0]

    def ratio(self, result: PeerResult) -> float:
        """Native bytes / bytes; not a number where there are none."""
        return self.native / result.nbytes if result.nbytes else math.nan

    def best(self) -> PeerResult | None:
        """Return the smallest of the others that hold the bounds."""
        return min((r for r in self.results[1:] if r.holds), key=lambda r: r.nbytes, default=None)


def in_all(found: Sequence[PeerComparison]) -> PeerComparison:
    """Return the sums over several inputs: of baler, and of the others that coded all of them.

    Of errors it has the largest share of what is allowed; quantities that are derived are left out.
    """
    names = list(dict.fromkeys(result.name for one in found for result in one.results))
    whole = sum(one.whole for one in found)
    native, variables = sum(one.native for one in found), sum(one.variables for one in found)
    absent, strange = dict(one for each in found for one in each.absent), {s for one in found for s in one.strange}
    results = tuple(_sum(name, found) for name in names)
    title = f"all {len(found):,} inputs"
    return PeerComparison(title, native, whole, variables, results, tuple(absent.items()), tuple(sorted(strange)))


def _sum(name: str, found: Sequence[PeerComparison]) -> PeerResult:
    """Return the sum of one compressor; without numbers, if some input lacks them."""
    parts = [result for one in found for result in one.results if result.name == name and not result.problem]
    if len(parts) < len(found):
        return PeerResult(name, problem=f"it coded {len(parts):,} of {len(found):,} inputs")
    encoding, decoding = zip(*(part.seconds for part in parts), strict=True)
    return PeerResult(
        name,
        parts[0].version,
        sum(part.nbytes for part in parts),
        sum(part.beside for part in parts),
        (sum(encoding), sum(decoding)),
        max(part.share for part in parts),
        sum(part.violations for part in parts),
    )
