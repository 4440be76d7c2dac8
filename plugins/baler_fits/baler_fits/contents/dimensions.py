"""Name the dimensions of a file's arrays, and determine the kind of each image axis from WCS keywords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from baler_fits.contents.headers import Keywords

# First four letters of CTYPEn (FITS standard 4.0, tables 22, 25 and section 9).
SPECTRAL = frozenset({"FREQ", "ENER", "WAVN", "VRAD", "WAVE", "VOPT", "ZOPT", "AWAV", "VELO", "BETA", "FELO", "LAMB"})
TIME = frozenset({"TIME", "UTC", "TAI", "TT", "TDB", "TCB", "TCG", "UT1", "GPS", "DATE", "MJD"})
# What the name of an axis is to a model; the four Stokes images are members of one ensemble.
ROLES = {"time": "time", "spectral": "spectral", "stokes": "member", "y": "y", "x": "x"}


def axis_names(keywords: Keywords, rank: int) -> tuple[str, ...]:
    """Return a name for each axis of an image, slowest first: from CTYPEn, else `y` and `x` for the last two."""
    names: list[str] = []
    for n in range(1, rank + 1):
        name = _axis_name(keywords.text(f"CTYPE{n}"))
        if not name or name in names:
            name = next((free for free in ("x", "y") if n <= 2 and free not in names), f"axis{n}")
        names.append(name)
    return tuple(reversed(names))


def _axis_name(ctype: str) -> str:
    """The name that a CTYPE value gives to an axis; empty if it does not tell."""
    kind = ctype.upper().split("-")[0].strip()
    if kind[:4] in SPECTRAL:
        return "spectral"
    if kind in TIME:
        return "time"
    if kind == "STOKES":
        return "stokes"
    if kind == "RA" or kind.endswith(("LON", "LN")):
        return "x"
    return "y" if kind == "DEC" or kind.endswith(("LAT", "LT")) else ""


@dataclass
class Dimensions:
    """Dimension names of a file: one length each; images alike in shape, axes and EXTVER share theirs."""

    sizes: dict[str, int] = field(default_factory=dict)
    _shared: dict[tuple[object, ...], tuple[str, ...]] = field(default_factory=dict)

    def new(self, name: str, length: int) -> str:
        """Return a dimension of that name, or with the first number behind it that is free."""
        unique, n = name, 2
        while unique in self.sizes:
            unique, n = f"{name}{n}", n + 1
        self.sizes[unique] = length
        return unique

    def shared(self, key: object, names: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
        """Return dimensions for an array; the same ones for every array of equal key, names and shape."""
        full = (key, tuple(names), tuple(shape))
        if full not in self._shared:
            self._shared[full] = tuple(self.new(name, length) for name, length in zip(names, shape, strict=True))
        return self._shared[full]
