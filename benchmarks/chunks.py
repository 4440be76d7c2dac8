"""Bytes and seconds of the codecs of array stores on chunks of 1 and 16 MB, each within the same bound.

Chunks are cut from a field that is made here (a turbulent-looking one, with a power law of energies) or from an `.npy`
file. Every codec is given an absolute bound of a share of the chunk's range; those without bounds are given the values
rounded to multiples of twice the bound (`rounded`), or as they are (`lossless`). All are decoded, and the largest error is
checked.

    python benchmarks/chunks.py [--data FILE.npy] [--bound 1e-3] [--megabytes 1 16] [--efforts fast balanced]
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.doors.numcodecs import Baler

Coded = tuple[str, Any, bool]


def field(values: int) -> np.ndarray:
    """A cube of about so many float32 values whose spectrum falls like k^(-5/3) per shell."""
    side = max(8, round(values ** (1 / 3)))
    rng = np.random.default_rng(0)
    axis = np.fft.fftfreq(side) * side
    k = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, : side // 2 + 1] ** 2)
    k[0, 0, 0] = np.inf
    noise = rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)
    return np.fft.irfftn(noise * k ** (-11 / 6), s=(side, side, side), axes=(0, 1, 2)).astype("f4")


def codecs(bound: float, efforts: list[str]) -> Iterator[Coded]:
    """Names, codecs, and whether the codec needs rounded values."""
    for effort in efforts:
        yield f"baler, {effort}", Baler(abs=bound, effort=effort), False
    yield "baler, lossless", Baler(effort="fast"), False
    makers: list[tuple[str, str, Callable[[Any], Any], tuple[bool, ...]]] = [
        ("SZ3", "numcodecs_wasm_sz3", lambda m: m.Sz3(eb_mode="abs", eb_abs=bound), (False,)),
        ("ZFP", "numcodecs_wasm_zfp", lambda m: m.Zfp(mode="fixed-accuracy", tolerance=bound), (False,)),
        ("PCodec", "numcodecs.pcodec", lambda m: m.PCodec(), (True, False)),
        ("Blosc zstd bit shuffle", "numcodecs", lambda m: m.Blosc("zstd", 5, m.Blosc.BITSHUFFLE), (True, False)),
    ]
    for name, module, make, kinds in makers:
        try:
            codec = make(importlib.import_module(module))
        except (ImportError, AttributeError, TypeError) as error:
            print(f"# {name} is not here: {error}")
            continue
        for rounded in kinds:
            ending = "" if kinds == (False,) else ", rounded" if rounded else ", lossless"
            yield name + ending, codec, rounded


def measure(name: str, codec: Any, values: np.ndarray, bound: float, *, rounded: bool) -> None:
    """Print one row of the table."""
    # Multiples of a power of two end in zero bits, which is what general compressors find.
    step = 2 * bound if "PCodec" in name else 2.0 ** np.floor(np.log2(2 * bound))
    given = (np.round(values / step) * step).astype(values.dtype) if rounded else values
    start = time.perf_counter()
    encoded = codec.encode(given)
    middle = time.perf_counter()
    found = codec.decode(encoded)
    decoded = found if isinstance(found, np.ndarray) else np.frombuffer(found, values.dtype)
    decoded = decoded.reshape(-1).view(values.dtype).reshape(values.shape)
    stop = time.perf_counter()
    error = float(np.abs(decoded.astype("f8") - values).max()) / bound
    size = len(bytes(encoded))
    mbs = [values.nbytes / 1e6 / seconds for seconds in (middle - start, stop - middle)]
    print(f"| {name} | {size:,} | {values.nbytes / size:.2f} | {error:.2f} | {mbs[0]:.0f} | {mbs[1]:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--bound", type=float, default=1e-3, help="share of the chunk's range")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 16])
    parser.add_argument("--efforts", nargs="+", default=["fast", "balanced"])
    options = parser.parse_args()
    for megabytes in options.megabytes:
        count = int(megabytes * 1e6 / 4)
        if options.data is None:
            values = field(count)
        else:
            whole = np.load(options.data, mmap_mode="r")
            rows = max(1, int(megabytes * 1e6 / max(1, whole[:1].nbytes)))
            values = np.ascontiguousarray(whole[:rows])
        bound = options.bound * float(np.ptp(values))
        print(f"\n{values.nbytes / 1e6:.1f} MB {values.dtype} {values.shape}, bound {options.bound:g} of the range\n")
        print("| codec | bytes | ratio | error / bound | MB/s in | MB/s out |")
        print("|---|---|---|---|---|---|")
        for name, codec, rounded in codecs(bound, options.efforts):
            measure(name, codec, values, bound, rounded=rounded)


if __name__ == "__main__":
    main()
