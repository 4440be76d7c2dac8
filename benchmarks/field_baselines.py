"""Compressors that `fields.py` compares with: each takes an array and an absolute bound, gives bytes and restored values.

Needs, besides baler, the packages pysz, zfpy, hdf5plugin and h5py; what is missing is left out and said so.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable, Iterator

import numpy as np
import pcodec.standalone as pco

Result = tuple[int, np.ndarray]
Compressor = Callable[[np.ndarray, float], Result]


def shapes(values: np.ndarray) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Shapes worth trying: as it is without axes of length 1, with leading axes merged to rank 3 and 2."""
    shape = tuple(n for n in values.shape if n > 1) or (1,)
    seen = set()
    for rank in range(min(len(shape), 4), 0, -1):
        merged = (int(np.prod(shape[: len(shape) - rank + 1])), *shape[len(shape) - rank + 1 :])
        if merged not in seen and (rank > 1 or len(shape) == 1):
            seen.add(merged)
            yield f"{rank}-D", merged


def sz3(algorithm: str) -> Compressor:
    """SZ3 through pysz, by one of its algorithms."""
    from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

    def run(values: np.ndarray, bound: float) -> Result:
        config = szConfig(values.shape)
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = bound
        config.cmprAlgo = getattr(szAlgorithm, algorithm)
        data, _ = sz.compress(values, config)
        return data.nbytes, sz.decompress(data, values.dtype, values.shape)[0].reshape(values.shape)

    return run


def sperr(block: int | None) -> Compressor:
    """SPERR through its HDF5 filter, on the whole array or blocks of frames; only the chunks' bytes are counted."""
    import h5py
    import hdf5plugin

    def run(values: np.ndarray, bound: float) -> Result:
        if values.ndim not in (2, 3) or min(values.shape) < 2:
            raise ValueError("SPERR takes 2-D and 3-D arrays")
        chunk = values.shape if block is None or values.ndim < 3 else (min(block, len(values)), *values.shape[1:])
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            options = dict(hdf5plugin.Sperr(absolute=bound, swap=True))
            data = file.create_dataset("x", data=values, chunks=chunk, **options)
            file.flush()
            return int(data.id.get_storage_size()), data[()]

    return run


def zfp(values: np.ndarray, bound: float) -> Result:
    """ZFP, its tolerance loosened as far as the bound stands."""
    import zfpy

    best: Result | None = None
    for factor in (1, 2, 4, 8, 16):
        data = zfpy.compress_numpy(values, tolerance=bound * factor)
        restored = zfpy.decompress_numpy(data)
        if np.abs(restored.astype("f8") - values).max() > bound:
            break
        best = (len(data), restored)
    if best is None:
        raise ValueError("ZFP broke the bound")
    return best


def lorenzo(values: np.ndarray, bound: float) -> Result:
    """Quantise, difference along each of the last axes in turn, the smallest of pcodec and xz."""
    spare = np.spacing(np.abs(values).max()) / 2 if values.dtype.kind == "f" else 0
    step = 2 * (bound - spare)
    codes = np.rint(values.astype("f8") / step).astype(np.int64)
    restored = (codes * step).astype(values.dtype)
    sizes = []
    for axes in ((), *[tuple(range(first, codes.ndim)) for first in range(codes.ndim)]):
        differences = codes
        for axis in axes:
            differences = np.diff(differences, axis=axis, prepend=np.int64(0))
        flat = np.ascontiguousarray(differences.ravel())
        narrow = flat.astype(np.min_scalar_type(-int(np.abs(flat).max()) - 1))
        sizes.append(len(pco.simple_compress(flat, pco.ChunkConfig())))
        sizes.append(len(lzma.compress(narrow.tobytes(), lzma.FORMAT_ALONE, preset=6)))
    return min(sizes), restored


def available() -> dict[str, Compressor]:
    """All compressors whose packages are there."""
    found: dict[str, Compressor] = {"quantise+Lorenzo+pcodec/xz": lorenzo}
    try:
        import pysz  # noqa: F401

        for algorithm in ("INTERP_LORENZO", "INTERP", "LORENZO_REG"):
            found[f"SZ3 {algorithm}"] = sz3(algorithm)
    except ImportError:
        print("SZ3 is left out: pip install pysz")
    try:
        import h5py  # noqa: F401
        import hdf5plugin  # noqa: F401

        found["SPERR"] = sperr(None)
        found["SPERR, 64 frames"] = sperr(64)
    except ImportError:
        print("SPERR is left out: pip install hdf5plugin h5py")
    try:
        import zfpy  # noqa: F401

        found["ZFP"] = zfp
    except ImportError:
        print("ZFP is left out: pip install 'zfpy!=1.0.1.post0'")
    return found


def smallest(values: np.ndarray, bound: float) -> tuple[str, int]:
    """The name and bytes of the best compressor whose restored values are all within `bound`."""
    best = ("none", values.nbytes)
    for name, run in available().items():
        for label, shape in shapes(values):
            try:
                size, restored = run(np.ascontiguousarray(values.reshape(shape)), bound)
            except (ValueError, RuntimeError, TypeError, OSError, AttributeError):
                continue
            error = np.abs(restored.astype("f8").reshape(shape) - values.astype("f8").reshape(shape)).max(initial=0)
            if error <= bound * (1 + 1e-9) and size < best[1]:
                best = (f"{name} {label}", size)
    return best
