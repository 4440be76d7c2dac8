"""Give columns of dates and durations that came from Python objects, which are stored as integers, as dates and durations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.errors import DataError
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import not_believed

if TYPE_CHECKING:
    import pandas as pd

    from baler_core.api.stored_array import StoredFile
    from baler_core.data.variables import Json

_UNITS = ("s", "ms", "us", "ns")
"""What pandas and arrow know; seconds hold all that coarser units do."""


@dataclass(frozen=True)
class TimeKind:
    """What the integers of a variable stand for.

    Attributes
    ----------
    zone
        In which dates are shown; empty for none.
    """

    dtype: np.dtype[Any]
    zone: str = ""


@dataclass(frozen=True)
class TimeColumn:
    """Dates or durations in a unit of `_UNITS`, NaT where there are none."""

    values: np.ndarray
    zone: str

    def series(self) -> pd.Series[Any]:
        """Return a column of pandas."""
        import pandas as pd

        found = pd.Series(self.values)
        if not self.zone:
            return found
        try:
            return found.dt.tz_localize("UTC").dt.tz_convert(self.zone)
        except (KeyError, ValueError, TypeError, AttributeError, OSError) as error:
            raise DataError(
                f"pandas does not know the time zone {self.zone!r} of a column: name other columns"
            ) from error

    def array(self) -> Any:
        """Return a column of arrow."""
        import pyarrow as pa

        found = pa.array(self.values, from_pandas=True)
        return found.cast(pa.timestamp(found.type.unit, self.zone)) if self.zone else found


def times_of(file: StoredFile) -> dict[str, TimeKind]:
    """Return the variables of a Python object that are dates or durations.

    Raises
    ------
    FormatError
        If what the file keeps of the object is damaged.
    """
    if file.reader != "python":
        return {}
    with not_believed(file.path, file.header.reader.package):
        return dict(_times(file.schema.skeleton.get("object"), ""))


def _times(stored: Json, zone: str) -> Iterator[tuple[str, TimeKind]]:
    if isinstance(stored, dict):
        if isinstance(stored.get("of"), str) and "8[" in str(stored.get("as")):
            yield stored["of"], TimeKind(np.dtype(str(stored["as"])), zone)
        zone = stored["zone"] if isinstance(stored.get("zone"), str) else zone
    for part in stored.values() if isinstance(stored, dict) else stored if isinstance(stored, list) else ():
        yield from _times(part, zone)


def time_column(values: np.ndarray, kind: TimeKind) -> TimeColumn | None:
    """Return stored integers as a column; None where no unit of tables holds all of them."""
    if values.ndim != 1 or values.dtype.kind != "i" or values.dtype.itemsize != 8 or kind.dtype.kind not in "mM":
        return None
    unit, _ = np.datetime_data(kind.dtype)
    plain = np.ma.getdata(values).astype("=i8").view(kind.dtype.newbyteorder("="))
    if unit not in (*_UNITS, "m", "h", "D", "W", "M", "Y"):
        return None
    target = unit if unit in _UNITS else "s"
    if kind.dtype.kind == "m" and unit in ("M", "Y"):  # of no fixed length
        return None
    found = plain.astype(f"{kind.dtype.kind}8[{target}]")
    if not ((found.astype(plain.dtype) == plain) | np.isnat(plain)).all():
        return None
    found[np.ma.getmaskarray(values)] = np.array("NaT", found.dtype)
    return TimeColumn(found, kind.zone)
