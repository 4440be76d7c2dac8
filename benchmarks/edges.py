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
from baler_core.testing.edges import NUMBER_TYPES, edge_values, worst_share

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


def values_to_try(dtype: np.dtype, count: int, rng: np.random.Generator, *, ordinary: bool) -> np.ndarray:
    """Random bits and the edges of the type, or ordinary values with what is special among them."""
    if not ordinary:
        return edge_values(dtype, (count,), rng)
    values = rng.normal(1, 0.3, count).astype(dtype)
    specials = [0.0, -0.0, np.nan, np.inf, -np.inf]
    values[: len(specials)] = specials[:count]
    return values


def combinations() -> Iterator[tuple[str, bool, dict[str, float]]]:
    """Types, whether values are ordinary, and bounds."""
    for name, bound in itertools.product(NUMBER_TYPES, BOUNDS):
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
    arguments.add_argument("--only", default="", help="combinations whose line holds this text")
    stated = arguments.parse_args()
    rng, broken = np.random.default_rng(stated.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edges.bal"
        for name, ordinary, bound in combinations():
            what = f"{name:4}{' ordinary' if ordinary else ' bits':9} {bound!s:18}"
            if stated.only not in what:
                continue
            started = time.perf_counter()
            values = values_to_try(np.dtype(name), stated.values, rng, ordinary=ordinary)
            done = baler_core.compress({"v": values}, path, bounds={"v": bound}, model=stated.model)
            share = worst_share(values, baler_core.open(path)["v"].values, *next(iter(bound.items())))
            broken += not share <= 1
            took = time.perf_counter() - started
            print(
                f"{what} {share:8.6f} ratio {done.ratio:6.2f} {took:6.1f} s{'' if share <= 1 else '  BROKEN'}",
                flush=True,
            )
    print(f"{broken} bounds broken")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
