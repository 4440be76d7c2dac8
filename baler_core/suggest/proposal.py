"""Define what is proposed for a variable: a bound as the configuration writes it, and why."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from baler_core.machine.records import dataclass

LOSSLESS = "lossless"
OTHERS = "{rel: 1.0e-3}"
FIELDS = "{range: 1.0e-3}"
UNCERTAINTIES = "{rel: 0.05}"


@dataclass(frozen=True)
class Proposal:
    """A bound as the configuration writes it, and why.

    Attributes
    ----------
    is_below_noise
        Whether the bound is a share of errors or noise: what it moves has no meaning.
    """

    bound: str
    reason: str
    is_below_noise: bool = False

    @property
    def is_lossy(self) -> bool:
        """Whether anything may be lost."""
        return self.bound != LOSSLESS


def absolute(size: float) -> str:
    """Return an absolute bound of two digits, rounded down, as the configuration writes it."""
    number = Decimal(size)
    short = number.quantize(Decimal(1).scaleb(number.adjusted() - 1), ROUND_FLOOR)
    return f"{{abs: {float(short):.1e}}}".replace("e-0", "e-").replace("e+0", "e+")
