"""Bytes and speed of still images beside JPEG XL, which is given the values quantised at the best of several phases.

Takes the images of each file as arrays, without the headers around them, which JPEG XL does not keep either, and makes some
more with `--made`: a crowded field of stars, a nebula on detector noise, sparse counts, and a frame of a camera. Each bound is
a fraction of the range; 0 keeps integers exactly. One line per image and bound: the whole `.bal` file, whose restored values
are checked, the bytes of JPEG XL alone, how many times smaller baler is, how far it is above what the goal allows (0.5 % and
300 bytes more than JPEG XL), and megabytes per second of processor time. Last come geometric means for each bound. `--others` keeps what JPEG XL makes, which takes
minutes, in a file; `--results` writes all figures as JSON, and `--before` compares with such a file.

    python benchmarks/images.py [FILE ...] [--made] [--bounds 1e-2 1e-3 1e-4 0] [--effort max] [--others KEPT.json]
                                [--results FILE.json] [--before FILE.json]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from field_speed import clocked
from fields import read_fields

import baler_core.api.calls as baler
from baler_core.data.block import values_of
from baler_core.data.bounds import usable
from baler_core.plugin.registry import load_plugins

PHASES = 4
# What the goal allows beyond JPEG XL.
_FACTOR, _BYTES = 1.005, 300
_LARGEST_PIXEL = 65535


@dataclass(frozen=True)
class Cell:
    """One image at one bound: bytes, bytes of JPEG XL or none, megabytes per second, and whether all bounds hold."""

    image: str
    bound: float
    size: int
    other: int
    encode: float
    decode: float
    holds: bool


def made() -> dict[str, np.ndarray]:
    """Images like those of telescopes and cameras, of 512 x 512 pixels."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:512, :512].astype(float)
    stars, smooth = np.zeros((512, 512)), rng.normal(size=(512, 512))
    for _ in range(1500):
        cy, cx = rng.integers(0, 512, 2)
        near = slice(max(0, cy - 12), cy + 13), slice(max(0, cx - 12), cx + 13)
        stars[near] += rng.pareto(1.2) * 60 * np.exp(-((y[near] - cy) ** 2 + (x[near] - cx) ** 2) / 5)
    for width in (3, 9, 27, 81):
        kernel = np.ones(width) / width
        for axis in (0, 1):
            smooth = np.apply_along_axis(np.convolve, axis, smooth, kernel, "same")
        smooth += rng.normal(size=(512, 512)) * smooth.std() * 0.1
    smooth /= smooth.std()
    crowded = rng.poisson(np.minimum(stars, 60_000) + 200) + rng.normal(size=(512, 512)) * 5
    nebula = np.exp(smooth) * 100 + rng.normal(size=(512, 512)) * 2
    counts = rng.poisson(np.minimum(stars, 3000) / 200 + 0.02)
    camera = rng.poisson(np.clip(smooth * 300 + 1000, 1, None)) * 2 + 1000 + 3 * (x.astype(int) % 8 == 0)
    return {
        "made: crowded stars": crowded.astype("f4"),
        "made: nebula": nebula.astype("f4"),
        "made: sparse counts": counts.astype("i4"),
        "made: camera": camera.astype("u2"),
    }


def jpeg_xl(values: np.ndarray, good: np.ndarray, bound: float) -> int:
    """Bytes of the best phase, or none where values are no pixels of 16 bits; missing values are filled by their neighbours."""
    import imagecodecs

    filled = values.astype("f8")
    for row, known in zip(filled, good, strict=True):
        last = np.maximum.accumulate(np.where(known, np.arange(known.size), 0))
        row[:] = np.where(known[last], row[last], filled[good][0])
    whole = values.dtype.kind in "iu"
    step = 2 * np.floor(bound) + 1 if whole else 2 * bound * (1 - 2.0**-20)
    if not step:
        return 0
    lowest = filled[good].min()
    found = {}
    for phase in np.arange(PHASES) / PHASES if step > 1 or not whole else (0,):
        codes = np.floor((filled - lowest) / step + phase).astype("i8")
        codes -= codes.min()
        if codes.max() > _LARGEST_PIXEL:
            return 0
        pixels = codes.astype("u1" if codes.max() < 256 else "u2")
        found[len(imagecodecs.jpegxl_encode(pixels, lossless=True))] = pixels
    best = min(found)
    return min(best, len(imagecodecs.jpegxl_encode(found[best], lossless=True, effort=9)))


def images(paths: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """The name and the values of each image of files."""
    for path in paths:
        fields = read_fields(path, None, load_plugins(), "fiu")
        for field, (_, values) in fields.items():
            yield path.stem if len(fields) == 1 else f"{path.stem} {field}", np.squeeze(values)


def measured(label: str, values: np.ndarray, bound: float, effort: str, others: dict[str, int]) -> Cell:
    """One cell."""
    good = usable(values, ())
    kept, width = f"{label} {bound:g}", float(np.ptp(values[good].astype("f8")))
    if kept not in others:
        others[kept] = jpeg_xl(values, good, bound * width)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "image.bal"
        bounds = {"image": {"range": bound} if bound else "lossless"}
        model = {"effort": effort}
        encode = clocked(lambda: baler.compress({"image": values}, target, bounds=bounds, model=model))
        restored = values_of(baler.open(target), "image")
        decode = clocked(lambda: baler.open(target, as_="numpy"))
        size, native = target.stat().st_size, values.nbytes / 1e6
    both = values[good].astype("f8"), restored[good].astype("f8")
    held = np.array_equal(values[~good], restored[~good], equal_nan=True)
    held &= bool((np.abs(both[0] - both[1]) <= bound * width).all())
    return Cell(label, bound, size, others[kept], native / encode, native / decode, held)


def line_of(cell: Cell, before: dict[str, int]) -> str:
    """Text of a cell."""
    beyond = cell.size - (_FACTOR * cell.other + _BYTES)
    text = f"{cell.image:32.32} {cell.bound:6.0e} {cell.size:>8}"
    text += f" {cell.other:>8} {cell.other / cell.size:6.3f} {max(0, beyond):>6.0f}" if cell.other else " " * 24
    text += f" {cell.encode:6.2f} {cell.decode:6.2f}{'' if cell.holds else ' BOUND BROKEN'}"
    past = before.get(f"{cell.image} {cell.bound:g}")
    return text + (f" {100 * (cell.size / past - 1):+7.2f} %" if past else "")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--bounds", nargs="+", type=float, default=[1e-2, 1e-3, 1e-4, 0])
    parser.add_argument("--effort", default="max")
    for name in ("others", "results", "before"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    others = json.loads(given.others.read_text()) if given.others and given.others.exists() else {}
    past = json.loads(given.before.read_text()) if given.before else []
    before = {f"{cell['image']} {cell['bound']:g}": cell["size"] for cell in past}
    cells = []
    print(f"{'image':32} {'bound':>6} {'bal':>8} {'JPEG XL':>8} factor beyond  MB/s in and out")
    for label, values in [*images(given.files), *(made().items() if given.made else ())]:
        for bound in given.bounds:
            if bound or values.dtype.kind in "iu":
                cells.append(measured(label, values, bound, given.effort, others))
                print(line_of(cells[-1], before), flush=True)
                if given.others:
                    given.others.write_text(json.dumps(others))
    for bound in given.bounds:
        factors = [math.log(cell.other / cell.size) for cell in cells if cell.bound == bound and cell.other]
        if factors:
            print(f"{bound:6.0e}: geometric mean {math.exp(sum(factors) / len(factors)):.3f} of {len(factors)}")
    if given.results:
        given.results.write_text(json.dumps([asdict(cell) for cell in cells]))


if __name__ == "__main__":
    main()
