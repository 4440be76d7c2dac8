"""Compares what `baler predict` expects of files with what they become.

Each file is predicted and then compressed with default options, losslessly and at a thousandth and a hundredth (of the range of
fields, of the values of columns; ids, times and the like stay exact). Prints one line per file and bound, and at the end how
often the size lay in the interval, the median error, and the same for times.

    python benchmarks/predict.py FILE [FILE ...] [--bounds lossless 1e-3 1e-2] [--most-bytes 4000000] [--cases CASES.jsonl]

With --cases, what is measured is added to a file, and what that has already is not measured again: a long run can be stopped.
With --again, such files are predicted anew, and compared with what was measured then.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
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
    parser.add_argument("--cases", type=Path, help="where to keep what was measured")
    parser.add_argument("--again", action="store_true", help="predict anew what was measured before")
    given = parser.parse_args()
    known = kept(given.cases)
    cases = []
    for path in given.files:
        found = [case for case in known if case.file == path.name]
        if found and given.again:
            found = predicted_again(path, found)
            print(*found, sep="\n", flush=True)
        if not found:
            try:
                for case in measured(path, given.bounds, given.most_bytes):
                    found.append(case)
                    print(case, flush=True)
            except BalerError as error:
                print(f"{path.name}: {error}", flush=True)
                continue
            if given.cases is not None:
                with given.cases.open("a") as file:
                    file.writelines(f"{json.dumps(asdict(case))}\n" for case in found)
        cases += found
    if cases:
        off = [abs(math.log(case.expected / case.measured)) for case in cases]
        times = [abs(math.log(case.expected_seconds / case.seconds)) for case in cases]
        inside = np.mean([case.is_inside for case in cases])
        print(
            f"{len({case.file for case in cases})} files, {len(cases)} cases: {inside:.0%} of the sizes in their interval, median "
            f"error {math.expm1(np.median(off)):.1%}; times off by a factor of {math.exp(np.median(times)):.2f} (median)"
        )


@dataclass(frozen=True)
class Case:
    """A file under a bound: bytes that were expected, between which, and measured; processor time, and that of predicting."""

    file: str
    bound: str
    measured: int
    expected: float
    low: float
    high: float
    seconds: float
    expected_seconds: float
    predicted_in: float
    model: str

    @property
    def is_inside(self) -> bool:
        """Whether the measured bytes lie in the interval."""
        return self.low <= self.measured <= self.high

    def __str__(self) -> str:
        return (
            f"{self.file[:40]:40} {self.bound:8} {self.measured:10} expected {self.expected:10.0f} "
            f"{self.expected / self.measured:6.3f} {'inside ' if self.is_inside else 'OUTSIDE'} time {self.seconds:6.1f} expected "
            f"{self.expected_seconds:6.1f} (predicted in {self.predicted_in:.1f} s) {self.model}"
        )


def kept(path: Path | None) -> list[Case]:
    """Return what earlier runs measured."""
    if path is None or not path.exists():
        return []
    return [Case(**json.loads(line)) for line in path.read_text().splitlines()]


def predicted_again(path: Path, cases: list[Case]) -> list[Case]:
    """Return cases of a file with what is expected of them by now."""
    registry, found = load_plugins(), {case.bound: case for case in cases}
    config = config_of_arguments("predict", {}, registry, source=path, output=Path())
    given = input_of(path, config, registry)
    with given.source:
        ladder = [rung for rung in usual_bounds(given.source.schema) if rung.label in found]
        started = time.process_time()
        expected = predict(config, registry, given, ladder).expected
        took = time.process_time() - started
    return [
        replace(
            found[one.label],
            expected=one.nbytes.middle,
            low=one.nbytes.low,
            high=one.nbytes.high,
            expected_seconds=one.seconds.middle,
            predicted_in=took,
        )
        for one in expected
    ]


def measured(path: Path, bounds: list[str], most: int) -> Iterator[Case]:
    """Predict and compress one file under each bound."""
    registry = load_plugins()
    config = config_of_arguments("predict", {}, registry, source=path, output=Path())
    given = input_of(path, config, registry)
    with given.source, tempfile.TemporaryDirectory() as folder:
        schema = given.source.schema
        if sum(map(schema.nbytes, schema.variables)) > most:
            return
        ladder = [rung for rung in usual_bounds(schema) if rung.label in bounds]
        started = time.process_time()
        expected = predict(config, registry, given, ladder)
        took = time.process_time() - started
        for rung, one in zip(ladder, expected.expected, strict=True):
            started = time.process_time()
            done = write_file(replace(config, bounds=rung.bounds), registry, given, Path(folder) / "x.bal", quiet=True)
            seconds = max(time.process_time() - started, 1e-3)
            size, model = one.nbytes, max(one.models, key=one.models.__getitem__)
            yield Case(path.name, rung.label, done.file_bytes, size.middle, size.low, size.high, seconds, one.seconds.middle, took, model)  # fmt: skip


if __name__ == "__main__":
    main()
