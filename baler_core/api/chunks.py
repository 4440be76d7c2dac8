"""Encode the chunks of an array store one by one: any dtype and order, fill values as holes; what both codecs share."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.api.calls import open as open_object
from baler_core.api.codec import decode, decode_region, encode
from baler_core.config.arguments import plain_values
from baler_core.data.sentinels import marks_in_chunk
from baler_core.errors import BalerError, ConfigError, DamagedChunk, did_you_mean
from baler_core.machine.records import dataclass
from baler_core.pipeline.trained_lookup import checksum

MODELS_VARIABLE = "BALER_MODELS"
EFFORTS = ("fast", "balanced", "max")
LOSSLESS = "lossless"
_FORTRAN, _VIEWED, _HOLES, _SINGLE = 1, 2, 4, 8
# Kinds of numbers that the models take, and what other dtypes of a size are seen as.
_NUMBERS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})
_AS_INTEGERS = {"M": "i8", "m": "i8", "b": "u1", "U": "u4"}
_LARGEST_NAME = 255


@dataclass(frozen=True)
class ChunkRegion:
    """A part of a chunk.

    Attributes
    ----------
    box
        Along each dimension from where to where.
    shape
        That the whole chunk must have.
    """

    box: tuple[slice, ...]
    shape: tuple[int, ...]

    @property
    def turned(self) -> ChunkRegion:
        """Return the same of the transposed chunk."""
        return ChunkRegion(self.box[::-1], self.shape[::-1])

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Return the part of a whole chunk.

        Raises
        ------
        DamagedChunk
            If that has another shape.
        """
        if values.shape != self.shape:
            raise DamagedChunk(f"a chunk holds {values.dtype.str} {values.shape}, and the array wants {self.shape}")
        return values[self.box]


@dataclass(frozen=True)
class ChunkCoding:
    """How chunks are encoded; all that a store's metadata keep.

    Attributes
    ----------
    bounds
        The bound of every value, `{"abs": 0.1}` with all that bounds may say, or `lossless`. It holds for numbers; dates,
        text and booleans keep every bit.
    effort
        `fast`, `balanced` or `max`.
    fill
        The value of cells without data. They keep it, no other gets it, and ranges do not count it.
    trained
        SHA-256 of a file of trained models, which lies in one of the folders that `BALER_MODELS` names.
    """

    bounds: Mapping[str, Any] | str = LOSSLESS
    effort: str = "fast"
    fill: float | None = None
    trained: str | None = None
    _found: dict[str, Path] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise BadCodec(
                f"effort={self.effort!r}: there is no such effort. {did_you_mean(str(self.effort), EFFORTS)}"
            )
        # A first chunk of one number tells what is wrong with the bounds, before there is data.
        try:
            encode(np.ones(2), bounds=self.bounds, effort="fast")
        except BalerError as error:
            raise BadCodec(" ".join(str(error).split())) from error

    def __hash__(self) -> int:
        return hash(json.dumps(self.settings(), sort_keys=True, default=str))

    def settings(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON has it."""
        bounds = self.bounds if isinstance(self.bounds, str) else dict(self.bounds)
        found: dict[str, Any] = {"bounds": bounds, "effort": self.effort}
        found |= {} if self.fill is None else {"fill": _as_json(self.fill)}
        return found | ({} if self.trained is None else {"trained": self.trained})

    def encode(self, values: np.ndarray, *, fill: Any = None) -> bytes:
        """Return a chunk as bytes.

        Parameters
        ----------
        fill
            What the store says of this array, in place of `fill`.

        Raises
        ------
        TypeError
            If it holds objects.
        """
        if values.dtype.kind in "OT":
            raise TypeError("baler encodes numbers, dates and text of fixed length, no objects: encode these first")
        fortran = values.ndim > 1 and values.flags.f_contiguous and not values.flags.c_contiguous
        plain = np.ascontiguousarray(values.T if fortran else values)
        seen, name = _as_numbers(plain)
        holes = _fill_of(values.dtype, self.fill if fill is None else fill) if not name else None
        seen, bounds, hole_bytes = self._without_holes(seen, holes, lossless=bool(name) and values.dtype.kind != "c")
        flags = _FORTRAN * fortran | _VIEWED * bool(name) | _HOLES * bool(hole_bytes) | _SINGLE * (not values.ndim)
        head = bytes([flags]) + (bytes([len(name)]) + name if name else b"") + hole_bytes
        return head + self._encoded(seen, bounds)

    def _without_holes(
        self, values: np.ndarray, fill: np.ndarray | None, *, lossless: bool
    ) -> tuple[np.ndarray, Mapping[str, Any] | str, bytes]:
        """Return values, their bound, and the fill value if it was replaced by NaN."""
        if lossless or isinstance(self.bounds, str):
            return values, LOSSLESS if lossless else self.bounds, b""
        # Stores tell no codec what their attributes say of missing values: what looks like some stays as well.
        marks = marks_in_chunk(values)
        stated = [] if fill is None else [fill.item()]
        if all(marks.values()) and not stated and not (marks and "range" in self.bounds):  # `encode` tells of them
            return values, self.bounds, b""
        apart = list(dict.fromkeys([*stated, *([] if all(marks.values()) else marks)]))
        if fill is not None and values.dtype.kind == "f" and marks.keys() <= set(stated):
            holes = values == fill
            if holes.any() and not np.isnan(values).any():
                hidden = np.where(holes, np.asarray(np.nan, values.dtype), values)
                return hidden, self._apart(self.bounds, apart), fill.tobytes()
        bounds = dict(self.bounds)
        if "range" in bounds:
            valid = values[~np.isin(values, np.array([*apart, *marks], values.dtype)) & np.isfinite(values)]
            spread = float(valid.max()) - float(valid.min()) if valid.size else 0.0
            value = bounds.pop("range")
            bounds = {"abs": value * spread, **bounds} if spread else {"abs": 0.0, **bounds}
        return values, self._apart(bounds, apart) if bounds.get("abs") != 0.0 else LOSSLESS, b""

    @staticmethod
    def _apart(bounds: Mapping[str, Any], apart: Sequence[float]) -> dict[str, Any]:
        """Return bounds under which cells of some values keep them, and no other gets one."""
        stated = bounds.get("exact_at", [])
        exact = [*(stated if isinstance(stated, list | tuple) else [stated]), *filter(math.isfinite, apart)]
        return {**bounds, "exact_at": list(dict.fromkeys(exact))} if exact else dict(bounds)

    def _encoded(self, values: np.ndarray, bounds: Mapping[str, Any] | str) -> bytes:
        if self.trained is None:
            return encode(values, bounds=bounds, effort=self.effort)  # type: ignore[arg-type]
        trained = self._model_file(self.trained)
        return encode(values, bounds=bounds, effort=self.effort, trained=trained, by_reference=True)  # type: ignore[arg-type]

    def decode(self, data: bytes, region: ChunkRegion | None = None, *, near: Path | None = None) -> np.ndarray:
        """Return a chunk, contiguous in the order that it had, or a region of one.

        Parameters
        ----------
        region
            None for all.
        near
            The folder of the store: trained models are looked for there and beside it.

        Raises
        ------
        DamagedChunk
            If the bytes are damaged (a ValueError, too).
        """
        try:
            return self._decoded(data, region, near)
        except (DamagedChunk, BadCodec):
            raise
        except (BalerError, ValueError, TypeError, SyntaxError, IndexError) as error:
            raise DamagedChunk(f"a chunk cannot be decoded by baler: {' '.join(str(error).split())}") from error

    def _decoded(self, data: bytes, region: ChunkRegion | None, near: Path | None) -> np.ndarray:
        if not data or data[0] >= 2 * _SINGLE:
            raise DamagedChunk("a chunk cannot be decoded by baler: it was encoded by something else, or is damaged")
        flags, at, name = data[0], 1, ""
        if flags & _VIEWED:
            at = 2 + data[1]
            name = data[2:at].decode("ascii")
        size = 8 if flags & _HOLES else 0
        stored_fill, at = data[at : at + size], at + size
        if region is None or flags & _SINGLE or name:
            values = self._restored(data[at:], near)
        else:
            values = self._restored_region(data[at:], region.turned if flags & _FORTRAN else region, near)
        if flags & _HOLES:
            fill = np.frombuffer(stored_fill, "<f8")[0]
            values = np.where(np.isnan(values), fill.astype(values.dtype), values)
        if name:
            values = _as_they_were(values, np.dtype(name))
        if flags & _SINGLE:
            values = values.reshape(())
        values = np.asarray(values, order="C")  # stores read bytes in order
        values = values.T if flags & _FORTRAN else values
        return region.cut(values) if region is not None and (name or flags & _SINGLE) else values

    def _restored_region(self, data: bytes, region: ChunkRegion, near: Path | None) -> np.ndarray:
        if self.trained is not None:
            return region.cut(self._restored(data, near))
        return decode_region(data, region.box, region.shape)

    def _restored(self, data: bytes, near: Path | None) -> np.ndarray:
        if self.trained is None:
            return np.asarray(decode(data))
        return np.asarray(open_object(data, trained=self._model_file(self.trained, near), as_="original"))

    def _model_file(self, sha256: str, near: Path | None = None) -> Path:
        """Return where the trained models lie: in the store's folder, beside it, or in a folder of `BALER_MODELS`.

        Raises
        ------
        BadCodec
            If no folder has them.
        """
        if sha256 not in self._found:
            folders = [Path(one) for one in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if one]
            known = [near, near.parent, *folders] if near is not None else folders
            files = [path for folder in known if folder.is_dir() for path in sorted(folder.glob("*.bal*"))]
            matching = [path for path in files if path.is_file() and checksum(path) == sha256]
            if not matching:
                where = " and ".join(map(str, folders)) or "no folder, since the variable is not set"
                beside = "" if near is None else f", and {near} and the folder around it have none"
                raise BadCodec(
                    f"the trained models with the SHA-256 {sha256} are not there: {MODELS_VARIABLE} names {where}{beside}; put "
                    "the file into one of its folders"
                )
            self._found[sha256] = matching[0]
        return self._found[sha256]


def checked_chunk(values: np.ndarray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return a chunk or a region of one as an array of a store has it.

    Raises
    ------
    DamagedChunk
        If it is of another type or shape than the array.
    """
    of_records = values.dtype.kind == dtype.kind == "V" and values.dtype.itemsize == dtype.itemsize
    same = of_records or values.dtype.newbyteorder("<") == dtype.newbyteorder("<")
    if not same or values.shape != shape:
        raise DamagedChunk(f"a chunk holds {values.dtype.str} {values.shape}, and the array wants {dtype.str} {shape}")
    whole = np.ascontiguousarray(values).reshape(shape)  # which numpy gives a dimension if it has none
    return (whole.view(dtype.newbyteorder("<")) if of_records else whole).astype(dtype, copy=False)


class BadCodec(ConfigError, ValueError):
    """A codec was given settings that cannot be (a ValueError, too)."""


def coding_of(
    bounds: Mapping[str, Any] | str | None,
    kinds: Mapping[str, Any],
    effort: str,
    fill: float | None,
    trained: str | Path | None,
) -> ChunkCoding:
    """Return how chunks are encoded, from the arguments of a codec; `trained` may name a file in place of its SHA-256.

    Raises
    ------
    BadCodec
        If an argument makes no sense.
    """
    found: dict[str, Path] = {}
    if trained is not None and not is_digest(trained):
        path = Path(trained)
        if not path.is_file():
            raise BadCodec(f"trained={str(trained)!r}: wanted a file of trained models, or its SHA-256 of 64 digits")
        trained = checksum(path)
        found = {trained: path.resolve()}
    return ChunkCoding(bounds_of(bounds, kinds), effort, fill, None if trained is None else str(trained), found)


def is_digest(trained: object) -> bool:
    """Return whether trained models are named by their SHA-256, as metadata must: they come from strangers, as files do."""
    return re.fullmatch("[0-9a-f]{64}", str(trained)) is not None


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what metadata say of a codec.

    Raises
    ------
    BadCodec
        If they name a file.
    """
    trained = settings.get("trained")
    if trained is not None and not is_digest(trained):
        raise BadCodec(f"the metadata of a codec name trained models by {str(trained)[:80]!r}, which is no SHA-256")
    return dict(settings)


def bounds_of(bounds: Mapping[str, Any] | str | None, kinds: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Return the bound from `bounds`, or from its kind by name: `abs=0.1`.

    Raises
    ------
    BadCodec
        If there are both.
    """
    if bounds is not None and kinds:
        raise BadCodec(f"bounds={bounds!r} and {', '.join(kinds)} were given: give one of them, and no other settings")
    stated: Mapping[str, Any] | str = plain_values(bounds if bounds is not None else dict(kinds) or LOSSLESS)
    return stated


def _as_numbers(values: np.ndarray) -> tuple[np.ndarray, bytes]:
    """Return an array of numbers of at least one dimension, and the dtype's name if it was another."""
    whole = values.reshape(1) if not values.ndim else values
    dtype = values.dtype
    if dtype.str[1:] in _NUMBERS:
        return whole, b""
    name = dtype.str.encode("ascii")
    if len(name) > _LARGEST_NAME:
        raise TypeError(f"baler cannot encode arrays of {dtype}")
    if dtype.kind == "c" and dtype.itemsize in (8, 16):
        part = np.dtype(f"{dtype.byteorder if dtype.byteorder != '|' else '='}f{dtype.itemsize // 2}")
    else:
        part = np.dtype(_AS_INTEGERS.get(dtype.kind, "u1")) if dtype.itemsize else np.dtype("u1")
        part = part.newbyteorder(dtype.byteorder) if dtype.kind in "Mm" else part
    width = dtype.itemsize // part.itemsize if not whole.size else -1
    return whole.view(np.uint8 if not dtype.itemsize else part).reshape(*whole.shape, width), name


def _as_they_were(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.hasobject:
        raise DamagedChunk("a chunk cannot be decoded by baler: it claims to hold objects")
    if not values.size and dtype.itemsize:
        return np.empty(values.shape[:-1], dtype)
    return np.ascontiguousarray(values).view(dtype).reshape(values.shape[:-1])


def _fill_of(dtype: np.dtype[Any], fill: Any) -> np.ndarray | None:
    """Return a fill value that cells may equal."""
    if fill is None or dtype.kind not in "iuf":
        return None
    with np.errstate(all="ignore"):
        found = np.asarray(fill).astype(dtype)
    return None if np.isnan(found) else found.astype("<f8") if dtype.kind == "f" else found


def _as_json(fill: Any) -> Any:
    return fill.item() if isinstance(fill, np.generic) else fill
