"""Compares whole .bal files of fields kept exactly with the best of fpzip, pcodec, xz and zstd.

Takes the fields of rank 2 and more of each file or folder, floats unless told otherwise, and fields made here, and prints
for each: bytes in memory; of the .bal file at each effort, the factor by which the best other compressor makes more, an !
where it makes less by 0.5 % and 300 bytes, and MB per second of computing to encode and to decode; last, the best other
one. Every bit is compared. Others are given the same values:
pcodec the array; fpzip the array, and shapes of fewer axes; xz and zstd its bytes as they lie and with the bytes of all
values sorted by their place (shuffled), whichever is smaller. Their containers are not counted.

    python benchmarks/exact_fields.py [FILE ...] [--made] [--integers] [--efforts max balanced fast]
        [--variables PATTERN ...] [--model auto] [--peers sizes.json] [--others fpzip pcodec xz zstd]

Needs, besides baler, the package fpzip, unless `--others` leaves it out. A small field goes through every effort before anything
is timed: loading compiled code takes a second, whatever the size of the data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from field_baselines import shapes
from fields import read_fields

import baler_core.api.calls as baler
from baler_core.data.block import values_of
from baler_core.errors import BalerError
from baler_core.evaluate.others import compress_xz, compress_zstd
from baler_core.evaluate.peers.lossless import compress_pcodec
from baler_core.plugin.registry import load_plugins

Field = tuple[str, Path | np.ndarray, str, np.ndarray]
# Least difference that counts, as a share and in bytes.
_SHARE, _BYTES = 0.005, 300


class Figures(NamedTuple):
    """What became of a field: bytes, MB per second of computing (all threads together), and whether every bit came back."""

    nbytes: int
    encode: float
    decode: float
    same: bool


def _fpzip(values: np.ndarray) -> int:
    """The smallest of the shapes that fpzip takes; floats only."""
    import fpzip

    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        return values.nbytes
    sizes = []
    for _, shape in shapes(values):
        data = fpzip.compress(np.ascontiguousarray(values.reshape(shape)), precision=0, order="C")
        if fpzip.decompress(data, order="C").tobytes() == values.tobytes():  # it does not take every NaN
            sizes.append(len(data))
    return min(sizes, default=values.nbytes)


def _of_bytes(compress: Callable[[bytes], bytes]) -> Callable[[np.ndarray], int]:
    def size(values: np.ndarray) -> int:
        plain = np.ascontiguousarray(values).tobytes()
        shuffled = np.frombuffer(plain, np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes()
        return min(len(compress(plain)), len(compress(shuffled)))

    return size


PEERS: dict[str, Callable[[np.ndarray], int]] = {
    "fpzip": _fpzip,
    "pcodec": lambda values: len(compress_pcodec(values)),
    "xz": _of_bytes(compress_xz),
    "zstd": _of_bytes(compress_zstd),
}


def made_fields() -> Iterator[tuple[str, np.ndarray]]:
    """Yield fields of other kinds than the files have: waves, noise, steps, masks, packed and derived values."""
    random = np.random.default_rng(1)
    t, y, x = np.meshgrid(np.arange(24), np.arange(96), np.arange(120), indexing="ij")
    wave = np.sin(x / 9 + t / 5) * np.cos(y / 11 - t / 7) + 0.3 * np.sin((x + y) / 4 + t / 3)
    smooth = _smooth_noise(random, (24, 96, 120))
    yield "made: waves, float64", wave
    yield "made: waves, float32", wave.astype(np.float32)
    yield "made: waves + noise", (280 + 10 * wave + 0.01 * random.normal(size=wave.shape)).astype(np.float32)
    yield "made: spectrum -3", smooth.astype(np.float32)
    yield "made: spectrum -3, float64", smooth
    yield "made: exp of spectrum", np.exp(4 * smooth).astype(np.float32)
    yield "made: noise about 0", random.normal(size=(64, 64, 64)).astype(np.float32)
    packed = np.rint(500 * smooth).astype(np.int16)
    yield "made: packed, float64 sum", (packed * 0.0123 + 273.15).astype(np.float32)
    yield "made: packed, float32 sum", packed.astype(np.float32) * np.float32(0.0123) + np.float32(273.15)
    origins, doublings = (280 + 3 * random.random(24)).astype(np.float32), random.integers(0, 3, 24)
    counts = np.rint(4000 * smooth / 2.0 ** doublings[:, None, None])
    yield "made: GRIB", (origins[:, None, None] + counts * 2.0 ** (doublings[:, None, None] - 10)).astype(np.float32)
    yield "made: decimals", np.round(15 + 10 * smooth, 2)
    yield "made: float32 in float64", (280 + smooth).astype(np.float32).astype(np.float64)
    rain = np.maximum(smooth - 0.5, 0).astype(np.float32)
    yield "made: rain", rain
    sea = (285 + 5 * smooth).astype(np.float32)
    sea[:, smooth[0] > 0.3] = np.float32(1e20)
    yield "made: masked", sea
    yield "made: radii", np.hypot(wave, 0.5 * smooth).astype(np.float32)
    height = np.exp(-np.arange(24) / 4)[:, None, None] * (1 + 0.1 * smooth)
    yield "made: humidity", (0.02 * height).astype(np.float32)


def _smooth_noise(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise whose amplitude falls with the third power of the wave number, of variance 1."""
    spectrum = np.fft.rfftn(random.normal(size=shape))
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    square = sum(k**2 for k in np.meshgrid(*axes, indexing="ij"))
    spectrum *= np.maximum(square, 1e-4) ** -1.5
    spectrum.flat[0] = 0
    field = np.fft.irfftn(spectrum, shape, axes=tuple(range(len(shape))))
    return field / field.std()


def measure(source: Path | np.ndarray, name: str, values: np.ndarray, model: dict[str, str]) -> Figures:
    """Compress one field of a file, or an array, and restore it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "field.bal"
        started = time.process_time()
        baler.compress(source, target, variables=[name] if isinstance(source, Path) else None, model=model)
        encoded = time.process_time()
        restored = baler.open(target)
        found = values_of(restored, name if isinstance(source, Path) else next(iter(restored)))
        decoded = time.process_time()
        same = found.astype(found.dtype.newbyteorder("=")).tobytes() == values.tobytes()
        size, megabytes = target.stat().st_size, values.nbytes / 1e6
        return Figures(size, megabytes / (encoded - started), megabytes / (decoded - encoded), same)


def fields_of(paths: list[Path], patterns: list[str] | None, kinds: str) -> Iterator[Field]:
    """Yield all fields of files and folders."""
    registry = load_plugins()
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    for path in files:
        if not path.is_file() or path.suffix in (".py", ".md"):
            continue
        try:
            found = read_fields(path, patterns, registry, kinds)
        except (ValueError, OSError, BalerError) as error:
            print(f"{path.name} is left out: {error}"[:100])
            continue
        for name, (_, values) in found.items():
            if (values == values.flat[0]).all():  # nothing but what the format takes
                continue
            yield f"{path.stem} {name}", path, name, values


def made_as_files() -> Iterator[Field]:
    """Yield the fields made here."""
    for label, values in made_fields():
        yield label, values, label, values


def peer_sizes(label: str, values: np.ndarray, cache: dict[str, dict[str, int]], others: list[str]) -> dict[str, int]:
    """Bytes by each of some other compressors, if they are not known yet."""
    known = cache.setdefault(label, {})
    for name in others:
        if name not in known:
            known[name] = PEERS[name](values)
    return {name: known[name] for name in others}


def line(label: str, nbytes: int, found: dict[str, Figures], others: dict[str, int]) -> str:
    """One line of the table."""
    name, best = min(others.items(), key=lambda pair: pair[1])
    parts = [f"{label:36.36} {nbytes:>9}"]
    for figures in found.values():
        over = figures.nbytes > best * (1 + _SHARE) + _BYTES
        speed = f"{figures.encode:5.1f}/{figures.decode:5.1f}"
        parts.append(f"{figures.nbytes:>9} {best / figures.nbytes:6.3f}{'!' if over else ' '} {speed}")
        if not figures.same:
            parts.append("DIFFERENT BITS")
    return " | ".join([*parts, f"{best:>9} {name}"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--made", action="store_true", help="fields made here as well")
    parser.add_argument("--integers", action="store_true", help="integer fields in place of floats")
    parser.add_argument("--efforts", nargs="+", default=["max", "balanced", "fast"])
    parser.add_argument("--variables", nargs="+")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--peers", type=Path, help="keep the sizes of others in this file, and take them from there")
    parser.add_argument("--others", nargs="+", choices=list(PEERS), default=list(PEERS), help="with which to compare")
    arguments = parser.parse_args()
    cache = json.loads(arguments.peers.read_text()) if arguments.peers and arguments.peers.exists() else {}
    factors: dict[str, list[float]] = {effort: [] for effort in arguments.efforts}
    print(f"{'field':36} {'bytes':>9} | " + " | ".join(f"{e:>9} factor  MB/s e/d  " for e in arguments.efforts))
    small = np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32)
    for effort in arguments.efforts:
        measure(small, "", small, {"name": arguments.model, "effort": effort})
    seconds: dict[str, list[tuple[float, float, float]]] = {effort: [] for effort in arguments.efforts}
    fields = fields_of(arguments.files, arguments.variables, "iu" if arguments.integers else "f")
    for label, source, name, values in [*fields, *(made_as_files() if arguments.made else ())]:
        others = peer_sizes(label, values, cache, arguments.others)
        if arguments.peers:
            arguments.peers.write_text(json.dumps(cache))
        found = {
            effort: measure(source, name, values, {"name": arguments.model, "effort": effort})
            for effort in arguments.efforts
        }
        print(line(label, values.nbytes, found, others), flush=True)
        for effort, figures in found.items():
            factors[effort].append(min(others.values()) / figures.nbytes)
            megabytes = values.nbytes / 1e6
            seconds[effort].append((megabytes, megabytes / figures.encode, megabytes / figures.decode))
    means = ", ".join(f"{effort} {np.exp(np.log(each).mean()):.4f}" for effort, each in factors.items() if each)
    print(f"geometric means of the factors: {means}")
    for effort, each in seconds.items():
        if each:
            megabytes, encoding, decoding = np.sum(each, axis=0)
            print(f"{effort}: {megabytes / encoding:.1f} / {megabytes / decoding:.1f} MB/s, all fields together")


if __name__ == "__main__":
    main()
