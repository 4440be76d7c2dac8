"""Compares what `baler predict` expects of files with what they become.

Each file is predicted and then compressed with default options, losslessly and at a thousandth and a hundredth (of the range of
fields, of the values of columns; ids, times and the like stay exact). Prints one line per file and bound, and at the end how
often the size lay in the interval, the median error, and the same for times.

    python benchmarks/predict.py FILE [FILE ...] [--bounds lossless 1e-3 1e-2] [--most-bytes 4000000]
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from baler_core.config.arguments import config_of_arguments
from baler_core.errors import BalerError
from baler_core.pipeline.compression import write_file
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import load_plugins
from baler_core.suggest.predict import predict, usual_bounds


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bounds", nargs="+", default=["lossless", "1e-3", "1e-2"])
    parser.add_argument("--most-bytes", type=int, default=1 << 40, help="leave out files with more bytes of values")
    given = parser.parse_args()
    sizes, times, inside = [], [], []
    for path in given.files:
        try:
            found = measured(path, given.bounds, given.most_bytes)
        except BalerError as error:
            print(f"{path.name}: {error}", flush=True)
            continue
        for size, is_inside, seconds in found:
            sizes.append(abs(math.log(size)))
            times.append(abs(math.log(seconds)))
            inside.append(is_inside)
    if sizes:
        print(f"{len(sizes)} cases: {np.mean(inside):.0%} of the sizes in their interval, median error "
              f"{math.expm1(np.median(sizes)):.1%}; times off by a factor of {math.exp(np.median(times)):.2f} (median)")  # fmt: skip


def measured(path: Path, bounds: list[str], most: int) -> list[tuple[float, bool, float]]:
    """Print lines for one file; expected / measured bytes, whether these lay in the interval, and the same of times."""
    registry = load_plugins()
    config = config_of_arguments("predict", {}, registry, source=path, output=Path())
    results = []
    given = input_of(path, config, registry)
    with given.source, tempfile.TemporaryDirectory() as folder:
        schema = given.source.schema
        if sum(map(schema.nbytes, schema.variables)) > most:
            return []
        ladder = [rung for rung in usual_bounds(schema) if rung.label in bounds]
        started = time.process_time()
        expected = predict(config, registry, given, ladder)
        took = time.process_time() - started
        for rung, one in zip(ladder, expected.expected, strict=True):
            started = time.process_time()
            done = write_file(replace(config, bounds=rung.bounds), registry, given, Path(folder) / "x.bal", quiet=True)
            seconds = time.process_time() - started
            inside = one.nbytes.low <= done.file_bytes <= one.nbytes.high
            print(
                f"{path.name[:40]:40} {rung.label:8} {done.file_bytes:10} expected {one.nbytes.middle:10.0f} "
                f"{one.nbytes.middle / done.file_bytes:6.3f} {'inside ' if inside else 'OUTSIDE'} time {seconds:6.1f} expected "
                f"{one.seconds.middle:6.1f} (predicted in {took:.1f} s) {max(one.models, key=one.models.__getitem__)}",
                flush=True,
            )
            results.append((one.nbytes.middle / done.file_bytes, inside, one.seconds.middle / max(seconds, 1e-3)))
    return results


if __name__ == "__main__":
    main()
