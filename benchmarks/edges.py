"""Holds bounds at the edges of every number type: random bit patterns, compressed, restored, checked in longer arithmetic.

    python benchmarks/edges.py                   ten million values of each type under each bound (an hour or so)
    python benchmarks/edges.py --values 100000   quickly

Values are random bits, so that every exponent, denormals, infinities and NaN payloads occur; or, of floats, ordinary ones
near 1. The largest and the smallest numbers of the type are among them. Prints the worst share of what was allowed, which
must not be above 1, and what the file took.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import baler_core

DTYPES = ("<f2", "<f4", ">f4", "<f8", ">f8", "|i1", "|u1", "<i2", ">u2", "<i4", "<u4", "<i8", ">i8", "<u8")
BOUNDS: tuple[dict[str, float], ...] = (
    {"abs": 1e-300},
    {"abs": 0.01},
    {"abs": 3.0},
    {"abs": 1e12},
    {"abs": 1e300},
    {"rel": 5e-324},
    {"rel": 1e-16},
    {"rel": 1e-3},
    {"rel": 0.5},
    {"range": 1e-300},
    {"range": 1e-3},
    {"range": 0.5},
    {"bits": 5},
)


def random_values(dtype: np.dtype, count: int, rng: np.random.Generator, *, ordinary: bool) -> np.ndarray:
    """Random bit patterns or ordinary values, and the edges of the type."""
    if ordinary:
        values = rng.normal(1, 0.3, count).astype(dtype)
        edges = [0.0, -0.0, np.nan, np.inf, -np.inf]
        values[: len(edges)] = edges[:count]
        return values
    values = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        edges = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0.0, -0.0, np.nan, np.inf, -np.inf]
    else:
        edges = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1]
    values[: len(edges)] = edges[:count]
    return values


def worst_share(x: np.ndarray, y: np.ndarray, bound: dict[str, float]) -> float:
    """The largest error as a share of what is allowed, in longer arithmetic; infinite where something special changed."""
    if x.dtype.kind == "f":
        finite = np.isfinite(x)
        if not (
            np.array_equal(np.isnan(x), np.isnan(y))
            and np.array_equal(x[~finite & ~np.isnan(x)], y[~finite & ~np.isnan(x)])
        ):
            return float("inf")
        x, y = x[finite], y[finite]
    (kind, value), size = next(iter(bound.items())), x.size
    if not size:
        return 0.0
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    error = np.abs(a - b)
    if kind == "abs":
        allowed = np.full(size, value, np.longdouble)
    elif kind == "rel":
        allowed = np.longdouble(value) * np.abs(a)
    elif kind == "range":
        allowed = np.full(size, np.longdouble(value) * (a.max() - a.min()))
    else:
        lowest = np.finfo(x.dtype).minexp if x.dtype.kind == "f" else 0
        exponents = np.maximum(np.frexp(a)[1] - 1, lowest)
        allowed = np.ldexp(np.longdouble(0.5), exponents - int(value)) if x.dtype.kind == "f" else np.zeros(size)
    wrong = error > 0
    with np.errstate(divide="ignore"):
        return float((error[wrong] / allowed[wrong]).max()) if wrong.any() else 0.0


def combinations() -> Iterator[tuple[str, bool, dict[str, float]]]:
    """Types, whether values are ordinary, and bounds."""
    for name, bound in itertools.product(DTYPES, BOUNDS):
        if name[1] == "f":
            yield from ((name, ordinary, bound) for ordinary in (True, False))
        elif "bits" not in bound:
            yield name, False, bound


def main() -> int:
    """Run all combinations; 1 if any bound is broken."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--values", type=int, default=10_000_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--model", default="scalar")
    stated = arguments.parse_args()
    rng, broken = np.random.default_rng(stated.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edges.bal"
        for name, ordinary, bound in combinations():
            started = time.perf_counter()
            values = random_values(np.dtype(name), stated.values, rng, ordinary=ordinary)
            done = baler_core.compress({"v": values}, path, bounds={"v": bound}, model=stated.model)
            share = worst_share(values, baler_core.open(path)["v"].values, bound)
            broken += not share <= 1
            took = time.perf_counter() - started
            what = f"{name:4}{' ordinary' if ordinary else ' bits':9} {bound!s:18}"
            print(
                f"{what} {share:8.6f} ratio {done.ratio:6.2f} {took:6.1f} s{'' if share <= 1 else '  BROKEN'}",
                flush=True,
            )
    print(f"{broken} bounds broken")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
