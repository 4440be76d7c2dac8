"""What other compressors make of the columns of a table at a point-wise relative bound, or losslessly."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping

import numpy as np
import zstandard
from pcodec import ChunkConfig, standalone

Sizes = dict[str, int]


def xz(data: bytes) -> int:
    """Bytes of raw LZMA2 at its strongest."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters))


def zstd(data: bytes) -> int:
    """Bytes of zstd at level 19."""
    return len(zstandard.compress(data, 19))


def pcodec(values: np.ndarray) -> int:
    """Bytes of pcodec at level 12."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    config = ChunkConfig(compression_level=12, enable_8_bit=True)
    return len(standalone.simple_compress(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))), config))


def narrow(integers: np.ndarray) -> np.ndarray:
    """Integers in the fewest bytes each."""
    low, high = int(integers.min()), int(integers.max())
    for dtype in (np.int8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return integers.astype(dtype)
    return integers


def log_quantised(values: np.ndarray, relative: float) -> np.ndarray:
    """Integers on a logarithmic lattice that keeps `relative`; zeros and non-finite values apart: int64."""
    eps = relative * (1 - 2.0**-20) - float(np.finfo(values.dtype).eps)
    ordinary = np.isfinite(values) & (values != 0)
    with np.errstate(all="ignore"):
        magnitude = np.rint(np.log(np.abs(values.astype(np.float64))) / (2 * np.arctanh(eps)))
    magnitude = np.where(ordinary, magnitude, 0).astype(np.int64)
    low = int(magnitude[ordinary].min()) - 1 if ordinary.any() else 0
    codes = np.where(np.signbit(values), -(magnitude - low), magnitude - low)
    far = int(np.abs(codes).max()) + 1
    codes[~ordinary] = np.select([values == 0, np.isnan(values), values > 0], [0, far, far + 1], far + 2)[~ordinary]
    return codes


def bit_rounded(values: np.ndarray, relative: float) -> np.ndarray:
    """Floats with as many mantissa bits, rounded to nearest, as keep `relative`."""
    kept = max(0, int(np.ceil(-np.log2(relative))) - 1)
    dropped = np.finfo(values.dtype).nmant - kept
    if dropped <= 0:
        return values
    bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    one = bits.dtype.type(1)
    half = (one << bits.dtype.type(dropped - 1)) - one + ((bits >> bits.dtype.type(dropped)) & one)
    rounded = (bits + half) & ~((one << bits.dtype.type(dropped)) - one)
    return np.where(np.isfinite(values), rounded.view(values.dtype), values)


def sz3(values: np.ndarray, relative: float) -> Sizes:
    """Bytes of SZ3 by three algorithms, on logarithms of magnitudes, signs apart; none without pysz (pip install pysz)."""
    try:
        from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode
    except ImportError:
        return {}
    ordinary = np.isfinite(values) & (values != 0)
    if not ordinary.any():
        return {}
    logs = np.log(np.abs(values[ordinary].astype(np.float64)))
    apart = np.where(ordinary, np.signbit(values), 2).astype(np.int8)
    sizes = {}
    for algorithm in ("INTERP", "LORENZO_REG", "INTERP_LORENZO"):
        config = szConfig(logs.shape)
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = float(np.arctanh(relative * (1 - 2.0**-20) - float(np.finfo(values.dtype).eps)))
        config.cmprAlgo = getattr(szAlgorithm, algorithm)
        sizes[f"log + SZ3 {algorithm}"] = len(sz.compress(logs, config)[0]) + (
            pcodec(apart) if (apart != apart[0]).any() else 1
        )
    return sizes


def lossless(values: np.ndarray) -> Sizes:
    """Bytes of the values as they are."""
    raw = np.ascontiguousarray(values).tobytes()
    return {"pcodec": pcodec(values), "xz": xz(raw), "zstd": zstd(raw)}


def column(values: np.ndarray, relative: float | None) -> Sizes:
    """Bytes of one column by every baseline; `relative` None means lossless, as integers always are."""
    sizes = lossless(values)
    if relative is None or values.dtype.kind != "f":
        return sizes
    methods: Mapping[str, Callable[[np.ndarray], int]] = {
        "pcodec": pcodec,
        "xz": lambda v: xz(v.tobytes()),
        "zstd": lambda v: zstd(v.tobytes()),
    }
    codes, rounded = narrow(log_quantised(values, relative)), bit_rounded(values, relative)
    sizes |= {f"log-quantise + {name}": method(codes) for name, method in methods.items()}
    sizes |= {f"bit-round + {name}": methods[name](rounded) for name in ("pcodec", "xz")}
    return sizes | sz3(values, relative)


def joint(columns: Mapping[str, np.ndarray], relative: float | None) -> int:
    """Bytes of all columns in one stream, quantised, column after column, by the better of xz and zstd."""
    parts = []
    for values in columns.values():
        lossy = relative is not None and values.dtype.kind == "f"
        parts.append(narrow(log_quantised(values, relative or 0)).tobytes() if lossy else values.tobytes())
    data = b"".join(parts)
    return min(xz(data), zstd(data))


def best(columns: Mapping[str, np.ndarray], relative: float | None) -> int:
    """The smaller of: every column by its best baseline, and all in one stream."""
    return min(sum(min(column(v, relative).values()) for v in columns.values()), joint(columns, relative))
