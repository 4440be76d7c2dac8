"""Compares baler with every other compressor that is installed, on files and at bounds of one's choice.

The same values, bounds and check of bounds for all, as `baler compare` does it: the whole `.bal` file counts for baler, and of
the others the compressed values alone. A compressor that breaks a bound does not compete. Prints the bytes of all of them,
one table per kind of bound, then how many times smaller baler is than the best and than each of the others, as geometric means,
and the versions.

    python benchmarks/peers.py FILE [FILE ...] [--bounds lossless 1e-4 1e-3 1e-2] [--effort max] [--sample 16000000]
                               [--json RESULTS]

`--json` writes all results after each file, and takes from there what an earlier run, on the same files, has measured.

A bound is a part of the range of fields, of the value for columns; integers, ids, times and the like stay exact. A file of
which nothing may be lost is in the table of `lossless` alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from baler_core import __version__
from baler_core.config.arguments import config_of_arguments
from baler_core.errors import BalerError
from baler_core.evaluate.peer_results import PeerComparison, PeerResult
from baler_core.evaluate.peers.available import PEERS
from baler_core.evaluate.peers.comparison import OURS, compare_with_others
from baler_core.evaluate.peers.sample import take_sample
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import load_plugins
from baler_core.suggest.predict import usual_bounds

LOSSLESS = "lossless"


@dataclass(frozen=True)
class Cell:
    """One file at one bound."""

    file: str
    bound: str
    found: PeerComparison

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes, of those that hold every bound."""
        return {result.name: result.nbytes for result in self.found.results if result.holds and result.nbytes}

    @property
    def best(self) -> tuple[str, int]:
        """The smallest of the others."""
        return min(((name, size) for name, size in self.sizes.items() if name != OURS), key=lambda one: one[1])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bounds", nargs="+", default=[LOSSLESS, "1e-4", "1e-3", "1e-2"])
    parser.add_argument("--effort", default="max", choices=("fast", "balanced", "max"))
    parser.add_argument("--sample", type=int, default=16_000_000, help="bytes of each file to take, from its middle")
    parser.add_argument("--json", type=Path, help="write all results there, and go on from what is there")
    given = parser.parse_args()
    cells = known_cells(given.json)
    for path in given.files:
        missing = [
            bound for bound in given.bounds if (path.name, bound) not in {(one.file, one.bound) for one in cells}
        ]
        try:
            cells += compared(path, missing, given.effort, given.sample)
        except BalerError as error:
            print(f"{path.name}: {error}", file=sys.stderr, flush=True)
        if given.json is not None:
            given.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=1), encoding="utf-8")
    for bound in given.bounds:
        print_bound(bound, [cell for cell in cells if cell.bound == bound])
    print_versions(cells)


def known_cells(path: Path | None) -> list[Cell]:
    """Read the results of an earlier run, if there are any."""
    if path is None or not path.exists():
        return []
    cells = []
    for one in json.loads(path.read_text(encoding="utf-8")):
        found = one["found"]
        results = tuple(
            PeerResult(**result | {"seconds": tuple(result["seconds"]), "derived": ()}) for result in found["results"]
        )
        absent = tuple(map(tuple, found["absent"]))
        comparison = PeerComparison(
            **found | {"results": results, "absent": absent, "strange": tuple(found["strange"])}
        )
        cells.append(Cell(one["file"], one["bound"], comparison))
    return cells


def compared(path: Path, bounds: list[str], effort: str, most: int) -> Iterable[Cell]:
    """Compare on one file, at each of the bounds that it can have."""
    if not bounds:
        return
    registry = load_plugins()
    arguments = {"model": {"name": "auto", "effort": effort}}
    config = config_of_arguments("compress", arguments, registry, source=path, output=Path())
    given = input_of(path, config, registry)
    with given.source:
        for rung in usual_bounds(given.source.schema, [bound for bound in bounds if bound != LOSSLESS]):
            if rung.label not in bounds:
                continue
            bound, sample = rung.label, take_sample(given, replace(config, bounds=rung.bounds), most)
            if bound != LOSSLESS and all(rule.kind == LOSSLESS for _, rule in sample.config.bounds.rules):
                continue
            cell = Cell(path.name, bound, compare_with_others(sample, registry, PEERS))
            name, size = cell.best
            print(f"{path.name} {bound}: {cell.sizes[OURS]:,} B; {name} {size:,} B", file=sys.stderr, flush=True)
            yield cell


def print_bound(bound: str, cells: list[Cell]) -> None:
    """Print all sizes at one bound, and what they come to."""
    if not cells:
        return
    names = [name for name in [OURS, *(peer.name for peer in PEERS)] if any(name in cell.sizes for cell in cells)]
    print(f"\n## {bound}\n\n| file | values | {' | '.join(names)} | best other / baler |")
    print(f"|---|{'---:|' * (len(names) + 2)}")
    for cell in cells:
        sizes = " | ".join(f"{cell.sizes[name]:,}" if name in cell.sizes else "" for name in names)
        print(f"| {cell.file} | {cell.found.native:,} | {sizes} | {cell.best[1] / cell.sizes[OURS]:.3f} |")
    factors = [cell.best[1] / cell.sizes[OURS] for cell in cells]
    print(f"\ngeometric mean against the best of all: {mean(factors):.3f}; "
          f"larger than it on {sum(factor < 1 for factor in factors)} of {len(factors)}")  # fmt: skip
    print("\n| compressor | files | its bytes / baler's | MB/s in | MB/s out |\n|---|---:|---:|---:|---:|")
    for name in names:
        held = [cell for cell in cells if name in cell.sizes]
        print(f"| {name} | {len(held)} | {mean([cell.sizes[name] / cell.sizes[OURS] for cell in held]):.3f} | "
              f"{speed(name, held, 0):.1f} | {speed(name, held, 1):.1f} |")  # fmt: skip


def mean(factors: list[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, factors)) / len(factors))


def speed(name: str, cells: list[Cell], way: int) -> float:
    """Return megabytes of values per second of processor time, over all files."""
    seconds = sum(result.seconds[way] for cell in cells for result in cell.found.results if result.name == name)
    return sum(cell.found.native for cell in cells) / max(seconds, 1e-9) / 1e6


def print_versions(cells: list[Cell]) -> None:
    """Print the versions behind the results, the compressors that are missing, and why some have no result."""
    versions: dict[str, str] = {OURS: __version__}
    problems: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        for result in cell.found.results:
            versions.setdefault(result.name, result.version)
            if not result.holds:
                why = result.problem or f"{result.violations:,} values beyond"
                problems[result.name].append(f"{cell.file} {cell.bound}: {why}")
    print("\n" + "; ".join(f"{name}: {version}" for name, version in versions.items() if version))
    for name, absent in {pair for cell in cells for pair in cell.found.absent}:
        print(f"\n{name} is missing: it needs {absent}")
    for name, reasons in problems.items():
        print(f"\n{name} does not compete on {len(reasons)}: {'; '.join(reasons[:5])}")


if __name__ == "__main__":
    main()
