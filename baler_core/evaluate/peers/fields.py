"""Error-bounded compressors of fields: SZ3, ZFP, SPERR; and JPEG XL on quantised images."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np

from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer
from baler_core.evaluate.peers.rounding import (
    LeastAndLargest,
    lattice_codes,
    lattice_step,
    logarithms,
    of_floats,
    signs_of,
)

_MOST_DIMS = 4
# Where the points of a lattice lie decides much at coarse bounds; effort 9 is its most but one, which takes minutes.
_OFFSETS, _USUAL, _MOST = 4, 7, 9
_LARGEST_PIXEL = 65535
# What ZFP's tolerance is multiplied by, as long as the bound stands: it keeps well within what it is told.
_ZFP_FACTORS = (16, 8, 4, 2, 1)


def _shaped(values: np.ndarray, most: int = _MOST_DIMS) -> np.ndarray:
    """Return the values without dimensions of length 1, the first ones merged where there are too many."""
    shape = tuple(n for n in values.shape if n > 1) or (1,)
    if len(shape) > most:
        shape = (math.prod(shape[: len(shape) - most + 1]), *shape[len(shape) - most + 1 :])
    return np.ascontiguousarray(values.reshape(shape))


def _sz3(values: np.ndarray, allowed: Allowed) -> Coded:
    """The smallest of its algorithms; relative bounds on logarithms, with the signs beside."""
    if allowed.kind == "abs":
        return _sz3_absolute(of_floats(values), allowed.value)
    logs, bound = logarithms(of_floats(values), allowed)
    coded, signs = _sz3_absolute(logs, bound * (1 - 2.0**-20)), signs_of(values)
    return Coded(coded.nbytes + signs.nbytes, lambda: (np.exp(coded.restore()) * signs.restore()).astype(values.dtype))


def _sz3_absolute(values: np.ndarray, bound: float) -> Coded:
    from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

    shaped = _shaped(values)
    best: np.ndarray | None = None
    for algorithm in ("INTERP_LORENZO", "INTERP", "LORENZO_REG"):
        config = szConfig(shaped.shape)
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = bound
        config.cmprAlgo = getattr(szAlgorithm, algorithm)
        data, _ = sz.compress(shaped, config)
        best = data if best is None or data.nbytes < best.nbytes else best
    assert best is not None
    smallest = best
    return Coded(smallest.nbytes, lambda: sz.decompress(smallest, shaped.dtype, shaped.shape)[0].reshape(values.shape))


def _zfp(values: np.ndarray, allowed: Allowed) -> Coded:
    import zfpy

    shaped = _shaped(of_floats(values))
    for factor in _ZFP_FACTORS:
        data = zfpy.compress_numpy(shaped, tolerance=allowed.value * factor)
        error = np.abs(zfpy.decompress_numpy(data).astype(np.float64) - shaped).max(initial=0)
        if error <= allowed.value:
            break
    return Coded(len(data), lambda: np.asarray(zfpy.decompress_numpy(data)).reshape(values.shape))


def _sperr(values: np.ndarray, allowed: Allowed) -> Coded:
    """Through its HDF5 filter, of which only the chunk counts, not the file around it."""
    import h5py
    import hdf5plugin

    shaped = _shaped(of_floats(values), 3)
    if shaped.ndim < 2:
        raise NotTakenError
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        options = dict(hdf5plugin.Sperr(absolute=allowed.value, swap=True))
        written.create_dataset("x", data=shaped, chunks=shaped.shape, **options)
        written.flush()
        size = int(written["x"].id.get_storage_size())

    def restore() -> np.ndarray:
        with h5py.File(file, "r") as read:
            return np.asarray(read["x"][()]).reshape(values.shape)

    return Coded(size, restore)


def _jpeg_xl(values: np.ndarray, allowed: Allowed) -> Coded:
    """Points of a lattice as pixels of 16 bits, plane by plane, losslessly: of the best of several offsets, at its most effort."""
    import imagecodecs

    step = lattice_step(values, allowed) if allowed.kind == "abs" else 1.0
    if values.dtype.kind not in "iuf" or (allowed.kind == "exact" and values.dtype.kind == "f"):
        raise NotTakenError
    if sum(n > 1 for n in values.shape) < 2:
        raise NotTakenError
    offsets = [step * number / _OFFSETS for number in range(_OFFSETS)]
    if values.dtype.kind in "iu":
        offsets = sorted({float(int(offset)) for offset in offsets})
    ends = LeastAndLargest.of(values)
    tried = [(*_as_planes(values, step, offset), offset) for offset in offsets]
    usual = [_jpeg_xl_images(planes, _USUAL) for planes, _, _ in tried]
    best = min(range(len(tried)), key=lambda number: _nbytes(usual[number]))
    planes, lowest, offset = tried[best]
    images = min(usual[best], _jpeg_xl_images(planes, _MOST), key=_nbytes)

    def restore() -> np.ndarray:
        read = np.stack([imagecodecs.jpegxl_decode(image) for image in images]).astype(np.int64)
        return ends.on_lattice(read.reshape(values.shape) + lowest, step, offset)

    return Coded(_nbytes(images) + ends.nbytes, restore)


def _nbytes(parts: Sequence[bytes]) -> int:
    return sum(map(len, parts))


def _as_planes(values: np.ndarray, step: float, offset: float) -> tuple[np.ndarray, int]:
    """Return points of a lattice as pixels, uint16 (planes, y, x), and what is to be added to them."""
    codes = lattice_codes(values, step, offset)
    lowest = int(codes.min())
    if int(codes.max()) - lowest > _LARGEST_PIXEL:
        raise NotTakenError
    planes = _shaped((codes - lowest).astype(np.uint16), 3)
    return planes.reshape(-1, *planes.shape[-2:]), lowest


def _jpeg_xl_images(planes: np.ndarray, effort: int) -> list[bytes]:
    import imagecodecs

    return [bytes(imagecodecs.jpegxl_encode(plane, lossless=True, effort=effort)) for plane in planes]


PEERS = (
    Peer("SZ3", _sz3, ("abs", "rel"), ("pysz",)),
    Peer("ZFP", _zfp, ("abs",), ("zfpy",)),
    Peer("SPERR", _sperr, ("abs",), ("hdf5plugin", "h5py")),
    Peer("quantised + JPEG XL", _jpeg_xl, ("exact", "abs"), ("imagecodecs",)),
)
