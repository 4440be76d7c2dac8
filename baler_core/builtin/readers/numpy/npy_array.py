"""One array as NumPy's file format describes it: its header, the variables it makes, its rows from a byte stream."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from baler_core.data.variables import Json, Variable
from baler_core.errors import DataError, FormatError

_LONGEST_HEADER = 1 << 16
# Above 2 GiB a single read of some streams fails.
_PIECE = 1 << 26


class ArrayLeaf(NamedTuple):
    """What becomes one variable: an array, or one field of a structured array.

    Attributes
    ----------
    name
        Variable name: the array's, and after a slash the field's.
    path
        Field names from the outermost inwards; empty for a plain array.
    dtype
        Of the values in a block: dates and durations are their 64-bit integers.
    shape
        The array's, and the field's own after it.
    """

    name: str
    path: tuple[str, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class ArrayForm(NamedTuple):
    """Everything about a stored array except its values."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one step along the first dimension."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def leaves(self) -> list[ArrayLeaf]:
        """Return the variables this array makes: one, or one per field of its rows."""
        if self.dtype.names is None or not self.shape:
            return [ArrayLeaf(self.name, (), _plain(self.dtype), self.shape)]
        return _field_leaves(self.name, (), self.dtype, self.shape)

    def with_fields(self, names: set[str]) -> ArrayForm:
        """Return the form with only those outermost fields that hold one of the variables `names`."""
        kept = {leaf.path[0] for leaf in self.leaves() if leaf.path and leaf.name in names}
        if self.dtype.names is None or len(kept) in (0, len(self.dtype.names)):
            return self
        fields = [(name, self.dtype[name]) for name in self.dtype.names if name in kept]
        return self._replace(dtype=np.dtype(fields))

    def to_json(self) -> Json:
        """Return the form as JSON, for the skeleton."""
        descr = np.lib.format.dtype_to_descr(self.dtype)
        return {"name": self.name, "descr": descr, "shape": list(self.shape), "fortran": self.fortran}

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> ArrayForm:
        """Return the form that `to_json` stored.

        Raises
        ------
        FormatError
            If it was damaged on the way.
        """
        try:
            dtype = np.lib.format.descr_to_dtype(_as_descr(stored["descr"]))
            form = cls(str(stored["name"]), dtype, _checked_shape(stored["shape"]), bool(stored["fortran"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"the description of an array is damaged ({error})") from error
        if dtype.hasobject:
            raise FormatError(f"the array {form.name!r} is described as Python objects")
        return form


def dates_of(skeleton: Mapping[str, Json]) -> dict[str, np.dtype[Any]]:
    """dtypes of the variables of an array file that are dates or durations, which blocks hold as integers."""
    stored = skeleton.get("arrays", [skeleton["array"]] if "array" in skeleton else [])
    found: dict[str, np.dtype[Any]] = {}
    for form in (ArrayForm.from_json(part) for part in stored if isinstance(part, Mapping) and "descr" in part):
        for leaf in form.leaves():
            dtype = form.dtype
            for part in leaf.path:
                dtype = (dtype.subdtype or (dtype, ()))[0][part]
            dtype = (dtype.subdtype or (dtype, ()))[0]
            if dtype.kind in "mM":
                found[leaf.name] = dtype
    return found


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of values in a block: xarray would change the unit of dates, so they travel as integers."""
    if dtype.kind in "mM":
        return np.dtype("i8").newbyteorder(dtype.byteorder)
    return dtype if dtype.names is None else np.dtype(f"V{dtype.itemsize}")


def _field_leaves(name: str, path: tuple[str, ...], dtype: np.dtype[Any], shape: tuple[int, ...]) -> list[ArrayLeaf]:
    if dtype.subdtype is not None:
        dtype, own = dtype.subdtype
        shape = shape + own
    if dtype.names is None:
        return [ArrayLeaf(name, path, _plain(dtype), shape)]
    return [
        leaf for field in dtype.names for leaf in _field_leaves(f"{name}/{field}", (*path, field), dtype[field], shape)
    ]


def _as_descr(stored: Json) -> Any:
    """A dtype description with the tuples that JSON turned into lists."""
    if isinstance(stored, str):
        return stored
    return [tuple(_as_part(part, index) for index, part in enumerate(field)) for field in stored]


def _as_part(part: Json, index: int) -> Any:
    """One part of a field's description: name (maybe with a title), dtype, shape."""
    if index == 1:
        return _as_descr(part)
    return tuple(part) if isinstance(part, list | tuple) else part


def _checked_shape(stored: Sequence[Any]) -> tuple[int, ...]:
    shape = tuple(stored)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
        raise ValueError(f"impossible shape {shape}")
    return shape


def read_header(stream: IO[bytes], name: str, where: str) -> ArrayForm:
    """Read magic, version and header of NumPy's format; the stream is left at the first value.

    Parameters
    ----------
    where
        File (and member) for messages.

    Raises
    ------
    DataError
        If this is not NumPy's format, is damaged, or holds Python objects.
    """
    try:
        major, _ = np.lib.format.read_magic(stream)
        width = 2 if major == 1 else 4
        length = int.from_bytes(stream.read(width), "little")
        if major > 3 or not 0 < length <= _LONGEST_HEADER:
            raise ValueError(f"version {major}, header of {length} bytes")
        header = ast.literal_eval(stream.read(length).decode("utf-8" if major == 3 else "latin-1"))
        dtype = np.lib.format.descr_to_dtype(header["descr"])
        form = ArrayForm(name, dtype, _checked_shape(header["shape"]), bool(header["fortran_order"]))
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise DataError(f"{where}: not an array in NumPy's format, or damaged ({error})") from error
    if dtype.hasobject:
        raise DataError(
            f"{where}: the array holds Python objects, which only pickle can read and pickle runs code: "
            f"save it with a plain dtype (numbers, fixed-length text)"
        )
    return form


def read_values(stream: IO[bytes], form: ArrayForm, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Read `shape` values from the stream, which lie in C order there.

    Raises
    ------
    DataError
        If the stream ends early.
    """
    raw = np.empty(math.prod(shape) * form.dtype.itemsize, np.uint8)
    position = 0
    while position < raw.size:
        got = stream.readinto(raw[position : position + _PIECE].data)  # type: ignore[attr-defined]
        if not got:
            raise DataError(f"{where}: cut short, {raw.size - position} bytes of values are missing")
        position += got
    if not raw.size:
        return np.zeros(shape, form.dtype)
    return raw.view(form.dtype).reshape(shape)


def write_header(stream: IO[bytes], form: ArrayForm) -> None:
    """Write magic, version and header, of the lowest version that can hold them; values start at a multiple of 64."""
    descr = np.lib.format.dtype_to_descr(form.dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': {form.fortran}, 'shape': {form.shape!r}, }}"
    encoded = text.encode("latin-1") if all(ord(letter) < 256 for letter in text) else text.encode()
    version = 3 if len(encoded) != len(text) else 1 if len(encoded) < 65000 else 2
    width = 2 if version == 1 else 4
    magic = np.lib.format.magic(version, 0)
    padding = -(len(magic) + width + len(encoded) + 1) % 64
    length = len(encoded) + padding + 1
    stream.write(magic + length.to_bytes(width, "little") + encoded + b" " * padding + b"\n")


class ArrayRows(Protocol):
    """Where an array's rows come from.

    Attributes
    ----------
    next_row
        Rows before this one cannot be taken any more.
    """

    next_row: int

    def take(self, rows: slice) -> np.ndarray:
        """Return the rows of the slice; the array itself for rank 0."""

    def close(self) -> None:
        """Release the file."""


class MappedRows:
    """Rows of an array in a memory-mapped file: only what is asked for is read, whatever the memory order."""

    next_row = 0

    def __init__(self, path: Path, form: ArrayForm, offset: int) -> None:
        self._array: np.ndarray = np.zeros(form.shape if not form.nbytes else (), form.dtype)
        if form.nbytes:
            flat = np.memmap(path, np.uint8, "r", offset, (form.nbytes,))
            self._array = flat.view(form.dtype).reshape(form.shape, order="F" if form.fortran else "C")

    def take(self, rows: slice) -> np.ndarray:
        return np.array(self._array[rows] if self._array.ndim else self._array, order="C")

    def close(self) -> None:
        del self._array


class StreamedRows:
    """Rows read from a stream that stands at an array's first value."""

    def __init__(self, stream: IO[bytes], form: ArrayForm, where: str) -> None:
        self._stream, self._form, self._where = stream, form, where
        self._whole: np.ndarray | None = None
        self.next_row = 0
        if form.fortran:
            # Rows are scattered over the whole array in this order.
            self._whole = read_values(stream, form, form.shape[::-1], where).T

    def take(self, rows: slice) -> np.ndarray:
        if self._whole is not None:
            return np.ascontiguousarray(self._whole[rows])
        if not self._form.shape:
            return read_values(self._stream, self._form, (), self._where)
        self._skip(rows.start - self.next_row)
        self.next_row = rows.stop
        return read_values(self._stream, self._form, (rows.stop - rows.start, *self._form.shape[1:]), self._where)

    def _skip(self, rows: int) -> None:
        left = rows * self._form.row_bytes
        while left:
            got = len(self._stream.read(min(left, _PIECE)))
            if not got:
                raise DataError(f"{self._where}: cut short, {left} bytes of values are missing")
            left -= got

    def close(self) -> None:
        self._stream.close()


def split_fields(array: np.ndarray, form: ArrayForm) -> dict[str, np.ndarray]:
    """Return the variables of `form`, by name, from some rows of an array that may have more fields than `form`."""
    variables = {}
    for leaf in form.leaves():
        values = array
        for field in leaf.path:
            values = values[field]
        values = np.ascontiguousarray(values) if leaf.path else values
        variables[leaf.name] = values if values.dtype == leaf.dtype else values.view(leaf.dtype)
    return variables


def join_fields(variables: Mapping[str, np.ndarray], form: ArrayForm) -> np.ndarray:
    """Invert `split_fields`; padding between fields becomes zero."""
    leaves = form.leaves()
    if not leaves or not leaves[0].path:
        values = variables[form.name]
        return values if values.dtype == form.dtype else values.view(form.dtype)
    rows = variables[leaves[0].name].shape[: len(form.shape)]
    array = np.zeros(rows, form.dtype)
    for leaf in leaves:
        target = array
        for field in leaf.path:
            target = target[field]
        target[...] = np.ascontiguousarray(variables[leaf.name]).view(target.dtype)
    return array


def joined(pieces: Sequence[np.ndarray], variable: Variable) -> np.ndarray:
    """Return the values of all blocks, in the variable's own byte order."""
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces, dtype=variable.numpy_dtype)
