"""Writes small files of the branches of the format that golden files of models do not take: `python tests/golden/write_branches.py`.

Beside them, `digests.json` holds the SHA-256 of what each of their variables restores to. A file that is there is not
written again: later versions must restore it to the same bits.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import baler_core
from baler_core.builtin.models.fields.decoded.hcompress import Bands, coefficients, values_of_cells
from baler_core.builtin.models.fields.decoded.jpeg import PixelBlocks, pixels_of
from baler_core.builtin.models.fields.layout import Arrangement, arrangements_of
from baler_core.builtin.models.fields.model import FieldModel
from baler_core.builtin.models.fields.predictive import coder, stencil_fit
from baler_core.builtin.models.fields.transform import plan, search
from baler_core.quantise.tile_steps import dithers

FOLDER = Path(__file__).resolve().parent / "branches"
Arrays = dict[str, np.ndarray]


def grid(*lengths: int) -> list[np.ndarray]:
    return list(np.meshgrid(*(np.linspace(0, 3, n) for n in lengths), indexing="ij"))


def joint() -> Arrays:
    """Fields that are coded together: with holes, of logarithms, on lattices, of whole numbers."""
    t, z, y, x = grid(9, 2, 9, 10)
    smooth = np.sin(x + t) + np.cos(2 * y) * z + 0.004 * np.random.default_rng(3).normal(size=x.shape)
    holed = smooth.astype("<f4")
    holed[:, :, 2:4, 1:4], holed[1, 0, 5, 5] = np.nan, -np.inf
    return {
        "smooth": smooth,
        "holed": holed,
        "log": np.exp(smooth),
        "decimal": np.round(smooth, 1),
        "whole": np.rint(100 * smooth).astype("<i2"),
    }


def volume() -> Arrays:
    """Frames of three axes, all of which are split."""
    t, z, y, x = grid(2, 9, 10, 33)
    values = np.sin(3 * x + t) * np.cos(2 * y + z) + 1e-3 * np.random.default_rng(4).normal(size=x.shape)
    values[1, 3:5, 2:6, 7] = np.nan
    return {"volume": values.astype("<f4")}


def flow() -> Arrays:
    """A field over time, and one that follows from it."""
    t, y, x = grid(18, 9, 17)
    field = np.sin(3 * x + t) * np.cos(2 * y) + 0.003 * np.random.default_rng(5).normal(size=x.shape)
    return {"flow": field.astype("<f4"), "square": np.square(field).astype("<f4")}


def image() -> Arrays:
    """An image that is split more than once."""
    y, x = grid(41, 37)
    return {"image": np.sin(3 * x) * np.cos(2 * y) + 0.01 * np.random.default_rng(6).normal(size=x.shape)}


def large() -> Arrays:
    """An image of several tiles, of which little is to be told."""
    waves = [np.cos(np.linspace(0, 2 * np.pi, n)) for n in (2049, 2050)]
    return {"large": np.multiply.outer(*waves).astype("<f4")}


BOUNDS: dict[str, Any] = {
    "joint": {"log": {"rel": 1e-2}, "whole": {"abs": 3}, "*": {"abs": 0.01}},
    "volume": {"*": {"abs": 0.002}},
    "large": {"*": {"abs": 0.05}},
}
# What is made and at which effort; and, where planning would choose otherwise, the arrangement and the transform along time.
CASES: dict[str, tuple[Callable[[], Arrays], str, Arrangement | None, str]] = {
    "joint-fast": (joint, "fast", None, ""),
    "joint-balanced": (joint, "balanced", None, ""),
    "joint-max": (joint, "max", None, ""),
    "volume-fast": (volume, "fast", Arrangement(0, 1), "basis"),
    "volume-max": (volume, "max", Arrangement(0, 1), "basis"),
    "wavelet-fast": (flow, "fast", Arrangement(0, 1), "wavelet"),
    "wavelet-balanced": (flow, "balanced", Arrangement(0, 1), "wavelet"),
    "none-balanced": (flow, "balanced", Arrangement(0, 1), "none"),
    "image-max": (image, "max", Arrangement(0, 0), "none"),
    "tiles-fast": (large, "fast", Arrangement(0, 0), "none"),
}


def write_transform(
    path: Path, make: Callable[[], Arrays], effort: str, arrangement: Arrangement | None, time: str
) -> None:
    """Write a file of the model `transform`."""

    def arrangements(*given: Any) -> list[Arrangement]:
        return arrangements_of(*given) if arrangement is None else [arrangement]

    def transforms(sampled: Any, offered: Any = search.TIME_TRANSFORMS) -> Any:
        return search.choose_transform(sampled, (time,) if time else offered)  # type: ignore[arg-type]

    planned = mock.patch.multiple(plan, arrangements_of=arrangements, choose_transform=transforms)
    with planned, mock.patch.object(FieldModel, "_pays", return_value=True):
        bounds = BOUNDS.get(make.__name__, {"*": {"abs": 0.01}})
        baler_core.compress(make(), path, bounds=bounds, model={"name": "transform", "effort": effort})


def floats() -> Arrays:
    """Fields kept exactly: smooth and rough, with holes, zeros and signs, of two precisions, packed once in two ways."""
    t, y, x = grid(7, 15, 18)
    noise = np.random.default_rng(7).normal(size=x.shape)
    smooth = np.sin(3 * x + t) * np.cos(2 * y)
    holed = (smooth + 0.01 * noise).astype("<f4")
    holed[:, 2:4, 1:4].view("<u4")[:] = 0xFFC00001
    holed[1, 5, 5] = np.inf
    steps = np.rint(400 * smooth + noise)
    scales = np.array([1, 2, 1, 4, 1, 1, 2])[:, None, None] / 512
    return {
        "smooth": smooth,
        "holed": holed,
        "orders": np.exp(9 * smooth + 0.1 * noise).astype("<f4"),
        "rain": np.where(smooth > 0.2, smooth + 0.01 * noise - 0.2, 0).astype("<f4"),
        "slices": ((270.3 + np.pi * t).astype("<f4") + steps * scales).astype("<f4"),
        "packed": 273.15 + 0.0123 * steps,
        "celsius": (np.float32(290) + 9 * smooth).astype("<f4") - np.float32(290),
    }


def tiled_floats() -> Arrays:
    """Images that were whole numbers of steps of each tile: dithered by row, by block, with far zeros, and not dithered."""
    rng = np.random.default_rng(9)
    image = 40 + rng.normal(size=(12, 120)) + 5 * np.sin(np.linspace(0, 6, 120))
    scales = rng.uniform(0.2, 0.3, (12, 1))
    runs = dithers((np.arange(12)[:, None] + 9995) % 10_000, np.arange(120))
    rows = (np.rint(image / scales + runs - 0.5) - runs + 0.5) * scales
    rows[3, 5:20], rows[7, 60:70], rows[9] = np.nan, 0, image[9]
    y, x = np.mgrid[:12, :120]
    inside = dithers(50 + (y // 6), (y % 6) * 120 + x)
    far = -2147483637.0 + np.rint((image - 33) / 0.25 + inside - 0.5)
    blocks = (far - inside + 0.5) * 0.25 + (33 + 0.25 * 2147483637)
    return {
        "rows": rows.astype("<f4"),
        "blocks": blocks.astype("<f4"),
        "plain": np.rint(image / scales) * scales + rng.uniform(0, 0.2, (12, 1)),
    }


def decoded() -> Arrays:
    """Images that Hcompress decoded: with plain rounding from an odd place on, and as CFITSIO does, one pixel changed."""
    rng = np.random.default_rng(10)
    found: Arrays = {}
    for name, rounding, shape in (("plate", "plain", (66, 67)), ("strips", "bits", (66, 65))):
        y, x = np.mgrid[: shape[0], : shape[1]]
        image = (3000 + 40 * np.sin(y / 9) * np.cos(x / 13) + 20 * rng.normal(size=shape)).astype(np.int64)
        step, sums, levels = 61, image, []
        while min(sums.shape) >= 16 and len(levels) < 4:
            whole = sums[: sums.shape[0] // 2 * 2, : sums.shape[1] // 2 * 2]
            sums_, bands = coefficients(whole, len(levels))
            levels.append((sums, [np.rint(band / step).astype(np.int64) * step for band in bands]))
            sums = sums_
        for number in reversed(range(len(levels))):
            values, bands = levels[number]
            values[: 2 * sums.shape[0], : 2 * sums.shape[1]] = values_of_cells(sums, Bands(*bands), number, rounding)
            sums = values
        found[name] = sums.astype("<i2")
    found["plate"] = np.ascontiguousarray(found["plate"][1:, 3:])
    found["strips"][7, 9] += 5
    steps = np.array([3 + row + column for row in range(8) for column in range(8)])
    numbers = np.rint(rng.normal(size=(64, 6, 6)) * (90 / steps**1.5)[:, None, None]).astype(np.int64)
    numbers[0] = np.rint(60 * np.sin(np.arange(6))[:, None] + 9 * np.arange(6) - 20)
    found["grey"] = pixels_of(PixelBlocks(steps, numbers)).astype("<u1")
    return found


def smooth_floats() -> Arrays:
    """Fields that are so smooth that weights are fine, coded together."""
    t, y, x = grid(12, 20, 30)
    first = np.sin(x + t) * np.cos(y)
    noise = np.random.default_rng(8).normal(size=x.shape)
    return {"first": first + 1e-7 * noise, "second": 0.7 * first + 1e-7 * noise}


def waves() -> Arrays:
    """Fields of waves that change their direction, of which one has holes, coded together."""
    t, y, x = grid(3, 14, 22)
    first = np.sin(9 * x + 4 * np.sin(3 * y + t)) + 0.003 * np.random.default_rng(9).normal(size=x.shape)
    second = (np.cos(2 * x * x + y) * first).astype("<f4")
    second[1, 3:6, 4:9], second[0, 0, 0] = np.nan, np.nan
    return {"first": first.astype("<f4"), "second": second}


def write_local(path: Path) -> None:
    """Write a file of fields that are fitted locally, whether that pays or not."""
    mixed = {"max": coder.LOCAL}
    with (
        mock.patch.object(FieldModel, "_pays", return_value=True),
        mock.patch.dict(stencil_fit.MIXED, mixed),
        mock.patch.dict(stencil_fit._SERIES, mixed),
    ):
        baler_core.compress(waves(), path, bounds={"*": {"abs": 0.002}}, model={"name": "predictive", "effort": "max"})


def write_floats(path: Path, make: Callable[[], Arrays], effort: str) -> None:
    """Write a file of fields that the model `predictive` keeps exactly."""
    with mock.patch.object(FieldModel, "_pays", return_value=True):
        baler_core.compress(make(), path, model={"name": "predictive", "effort": effort})


def digests(path: Path) -> dict[str, str]:
    """The SHA-256 of the restored variables of a file."""
    block = baler_core.open(path)
    return {str(name): hashlib.sha256(np.asarray(block[name].values).tobytes()).hexdigest() for name in block.variables}


if __name__ == "__main__":
    for name, case in CASES.items():
        target = FOLDER / f"transform-{name}.bal"
        if not target.exists():
            write_transform(target, *case)
    exact = (
        (floats, "fast"),
        (floats, "max"),
        (smooth_floats, "fast"),
        (smooth_floats, "max"),
        (tiled_floats, "max"),
        (decoded, "balanced"),
    )
    for make, effort in exact:
        if not (target := FOLDER / f"predictive-{make.__name__}-{effort}.bal").exists():
            write_floats(target, make, effort)
    if not (target := FOLDER / "predictive-local-max.bal").exists():
        write_local(target)
    found = {path.stem: digests(path) for path in sorted(FOLDER.glob("*.bal"))}
    stated = json.loads((FOLDER / "digests.json").read_text()) if (FOLDER / "digests.json").exists() else {}
    if changed := [name for name, values in stated.items() if found.get(name) != values]:
        sys.exit(f"files would restore to other bits: {', '.join(changed)}")
    (FOLDER / "digests.json").write_text(json.dumps(found, indent=1) + "\n")
