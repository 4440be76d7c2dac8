"""What each part of the models buys: parts are switched off one by one, and everything is compressed again.

Seven sets at two bounds each: tables of jets (with their events), of exoplanets and of NanoAOD jets (with their events), at
relative bounds of 1e-2 and 1e-3; fields of a cylinder wake (three of one grid), of sea surface temperature, of turbulence
and of an infrared image, at 1e-3 and 1e-4 of their range. Tables are cut to some thousand rows and the turbulence to 8
frames, so that one compression takes seconds; a missing file is left out. Each room of `ablation_rooms.py` is switched off in the sets of its
kind, for writing and reading alike. Printed are, for every room, its lines of code; the change of bytes (whole files) as a
geometric mean and at the extremes, positive where files are larger without the room; and the change of the processor time
of encoding and of decoding, negative where the room costs time. The rooms of models by reference are measured on the
second half of each set, by a model trained on the first half and not counted.

Every restored value is compared with its bound by a check that uses nothing of the compressor's.

    python benchmarks/ablation.py [--data FOLDER] [--only ROOM ...] [--sets SET ...] [--efforts] [--lines FILE]

`--efforts` prints bytes and speeds of the three efforts on each set instead. `--lines` keeps every measurement in a file,
and takes up those that it holds already.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ablation_rooms import REUSED, ROOMS, Room

from baler_core.api import calls as api

_FILL = 1e19
EFFORTS = ("fast", "balanced", "max")
Arrays = dict[str, np.ndarray]
Measure = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One set.

    Attributes
    ----------
    file
        Below the data folder.
    kind
        "t" for tables, "f" for fields.
    variables
        Patterns of the variables taken; none for all.
    most
        So many events, rows or frames are taken.
    """

    file: str
    kind: str
    variables: tuple[str, ...] = ()
    most: int = 1 << 30

    @property
    def bounds(self) -> tuple[float, float]:
        """Relative to each value for tables, to the range for fields."""
        return (1e-2, 1e-3) if self.kind == "t" else (1e-3, 1e-4)


CASES = {
    "jets": Case("hep/jets_pythia24.root", "t", most=1000),
    "kepler": Case("astro/kepler_koi_cumulative.csv", "t", most=3000),
    "nanoaod": Case("hep/NanoAODv5_sample.root", "t", ("Jet_*",), most=300),
    "wake": Case("cfd/cylinder_wake.h5", "f", ("u", "v", "p")),
    "ocean": Case("cfd/tos_O1_2001-2002.nc", "f", ("tos",)),
    "turbulence": Case("cfd/turb2d.h5", "f", ("vorticity",), most=8),
    "infrared": Case("astro/spitzer_example_image.fits", "f", ("hdu0",)),
}


def read(path: Path, case: Case) -> Any:
    """Read a set, cut to size: an Awkward array of events, or arrays by name."""
    if path.suffix == ".root":
        import uproot

        return uproot.open(path)["Events"].arrays(filter_name=list(case.variables) or None, entry_stop=case.most)
    from baler_core.data.block import values_of
    from baler_core.plugin.registry import load_plugins

    registry = load_plugins()
    reader = registry.reader(registry.reader_for(path))
    with reader(reader.Options()).open(path, case.variables or None) as source:
        rank = 1 if case.kind == "t" else 2
        wanted = [v.name for v in source.schema.variables if v.is_numeric and min(len(v.dims), 2) == rank]
        blocks = list(source.blocks(1 << 30))
    arrays = {name: values_of(block, name) for block in blocks for name in wanted if name in block.variables}
    # what stands for missing values becomes NaN: arrays do not say so, as files do
    fill = {name: np.nan if a.dtype.kind == "f" else 0 for name, a in arrays.items()}
    return {name: np.where(np.abs(a) > _FILL, fill[name], a)[: case.most].astype(a.dtype) for name, a in arrays.items()}


def flat(data: Any) -> Arrays:
    """Return the values of a set by name, without its events."""
    if isinstance(data, dict):
        return data
    import awkward as ak

    return {name: np.asarray(ak.flatten(data[name], axis=None)) for name in ak.fields(data)}


def halves(data: Any) -> tuple[Any, Any]:
    """Cut a set along its leading dimension."""
    if not isinstance(data, dict):
        return data[: len(data) // 2], data[len(data) // 2 :]
    return {n: a[: len(a) // 2] for n, a in data.items()}, {n: a[len(a) // 2 :] for n, a in data.items()}


def allowed(arrays: Arrays, case: Case, bound: float) -> dict[str, object]:
    """State the bounds as `api.compress` takes them: whole numbers are exact."""
    floats = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    if case.kind == "t":
        return {**{name: {"rel": bound} for name in floats}, "*": "lossless"}
    spans = {name: float(np.ptp(a[np.isfinite(a)])) for name, a in floats.items()}
    return {**{name: {"abs": bound * span} for name, span in spans.items()}, "*": "lossless"}


def holds(original: Arrays, restored: Arrays, bounds: Mapping[str, Any]) -> bool:
    """Return whether every value is within its bound, and whether what has none is the same."""
    for name, values in original.items():
        found, stated = restored[name], bounds.get(name)
        if not isinstance(stated, dict):
            if found.tobytes() != values.tobytes():
                return False
            continue
        ordinary = np.isfinite(values)
        x, y = values[ordinary].astype(np.float64), found[ordinary].astype(np.float64)
        if not (np.abs(x - y) <= stated.get("abs", stated.get("rel", 0.0) * np.abs(x))).all():
            return False
        if not np.array_equal(values[~ordinary], found[~ordinary], equal_nan=True):
            return False
    return True


def measure(data: Any, case: Case, bound: float, room: Room, off: bool = True, trained: Path | None = None) -> Measure:
    """Compress and restore a set without a room: bytes of the file, seconds of processor time of both.

    Raises
    ------
    SystemExit
        If a restored value is beyond its bound.
    """
    arrays = flat(data)
    bounds = allowed(arrays, case, bound)
    given: dict[str, Any] = {} if trained is None else {"trained": trained, "model_storage": "reference"}
    context: AbstractContextManager[None] = room.switched_off() if off else nullcontext()
    with tempfile.TemporaryDirectory() as folder, context:
        path = Path(folder) / "set.bal"
        start = time.process_time()
        api.compress(data, path, bounds=bounds, model={"name": "auto", "effort": room.effort}, **given)
        encoded = time.process_time()
        back = api.open(path, **({} if trained is None else {"trained": trained}))
        decoded = time.process_time()
        size = path.stat().st_size
    restored = flat(back) if not hasattr(back, "variables") else {name: back[name].values for name in arrays}
    if not holds(arrays, restored, bounds):
        raise SystemExit(f"BOUND BROKEN: {case.file} at {bound:g}")
    return {"bytes": size, "encode": encoded - start, "decode": decoded - encoded}


class Log:
    """Measurements by room, set and bound, kept in a file where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        text = path.read_text().splitlines() if path is not None and path.exists() else []
        self._found: dict[str, Measure] = dict(map(json.loads, text))

    def get(self, key: str) -> Measure | None:
        """Return a measurement that was made."""
        return self._found.get(key)

    def put(self, key: str, found: Measure) -> Measure:
        """Keep and print a measurement."""
        self._found[key] = found
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps([key, found]) + "\n")
        print(f"{key:60s} {found['bytes']:8.0f} B {found['encode']:6.2f} s {found['decode']:6.2f} s", flush=True)
        return found


def measured(log: Log, name: str, room: Room, cases: Mapping[str, Any]) -> list[Measure]:
    """Measure a room that is switched off in all sets of its kind."""
    found = []
    for label, data in cases.items():
        case = CASES[label]
        for bound in case.bounds if case.kind in room.kinds else ():
            key = f"{name} | {label} | {bound:g}"
            found.append(log.get(key) or log.put(key, measure(data, case, bound, room)))
    return found


def measured_again(log: Log, name: str, cases: Mapping[str, Any], *, off: bool, fresh: bool = False) -> list[Measure]:
    """Measure the second halves of sets by models of the first ones, with a room or without, or learned anew."""
    room, found = REUSED[name], []
    for label, data in cases.items():
        case = CASES[label]
        first, second = halves(data)
        if case.kind not in room.kinds or not all(a.ndim != 2 for a in flat(data).values()):
            continue
        for bound in case.bounds:
            key = f"{name} {'off' if off else 'on'} | {label} | {bound:g}"
            known = log.get(key)
            if known is None:
                with tempfile.TemporaryDirectory() as folder:
                    trained = Path(folder) / "model.balm"
                    if not fresh:
                        api.train(first, trained, bounds=allowed(flat(data), case, bound))
                    known = measure(second, case, bound, room, off, None if fresh else trained)
                log.put(key, known)
            found.append(known)
    return found


def line(name: str, room: Room, without: Sequence[Measure], base: Sequence[Measure]) -> list[str]:
    """Make the row of a room; none if it was not measured."""
    if not base:
        return []
    ratios = [w["bytes"] / b["bytes"] for w, b in zip(without, base, strict=True)]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    shares = [sum(m[what] for m in without) / sum(m[what] for m in base) for what in ("encode", "decode")]
    changes = [mean, min(ratios), max(ratios)]
    cells = [f"{100 * (change - 1):+.2f}" for change in changes] + [f"{100 * (s - 1):+.0f}" for s in shares]
    return [f"| {name} | {room.lines or ''} | {' | '.join(cells)} |"]


HEAD = """
| switched off | lines | bytes, mean % | least % | most % | encode % | decode % |
|---|--:|--:|--:|--:|--:|--:|"""


def ablate(log: Log, cases: Mapping[str, Any], only: Sequence[str]) -> None:
    """Measure all rooms, and print the table."""
    whole, *others = ROOMS
    rows, by_kind = [], {kind: measured(log, whole, Room(kind), cases) for kind in ("t", "f")}
    # in the order of `cases`, tables first
    for name, room in ((other, ROOMS[other]) for other in others):
        if not only or name in only:
            without = measured(log, name, room, cases)
            rows += line(name, room, without, [m for kind in "tf" if kind in room.kinds for m in by_kind[kind]])
    for name, room in REUSED.items():
        if not only or name in only:
            with_it = measured_again(log, "by reference", cases, off=False)
            kept = [m for m, kind in zip(with_it, _kinds_again(cases), strict=True) if kind in room.kinds]
            without = measured_again(log, name, cases, off=True, fresh=name == "by reference")
            rows += line(name, room, without, kept)
    print("\n".join([HEAD, *rows]))


def _kinds_again(cases: Mapping[str, Any]) -> list[str]:
    return [
        CASES[label].kind
        for label, data in cases.items()
        for _ in CASES[label].bounds
        if all(a.ndim != 2 for a in flat(data).values())
    ]


def compare_efforts(log: Log, cases: Mapping[str, Any]) -> None:
    """Print bytes and speeds of the three efforts."""
    rows = []
    for label, data in cases.items():
        case, native = CASES[label], sum(a.nbytes for a in flat(data).values())
        for bound in case.bounds:
            cells = []
            for effort, name in zip(
                EFFORTS, ("max (fast instead)", "max (balanced instead)", next(iter(ROOMS))), strict=True
            ):
                key = f"{name} | {label} | {bound:g}"
                found = log.get(key) or log.put(key, measure(data, case, bound, Room("tf", effort=effort)))
                speeds = [native / 1e6 / max(found[what], 1e-3) for what in ("encode", "decode")]
                cells.append(f"{found['bytes']:,.0f} | {speeds[0]:.2f} / {speeds[1]:.2f}")
            rows.append(f"| {label} | {bound:g} | {native:,} | {' | '.join(cells)} |")
    head = " | ".join(f"{effort} | MB/s" for effort in EFFORTS)
    print(f"\n| set | bound | native | {head} |\n|---|--:|--:|{'--:|--:|' * 3}")
    print("\n".join(rows))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BALER_SHARED_DATA", "../shared/data")))
    parser.add_argument("--only", nargs="+", default=[], choices=[*ROOMS, *REUSED], metavar="ROOM")
    parser.add_argument("--sets", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--efforts", action="store_true", help="compare efforts instead of rooms")
    parser.add_argument("--lines", type=Path, help="file in which measurements are kept")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    paths = {name: given.data / CASES[name].file for name in CASES if name in given.sets}
    cases = {name: read(path, CASES[name]) for name, path in paths.items() if path.exists()}
    for label, data in cases.items():  # loads the compiled loops, whose time is not counted
        for effort in EFFORTS:
            small = data[:200] if not isinstance(data, dict) else {n: a[:200] for n, a in data.items()}
            measure(small, CASES[label], CASES[label].bounds[0], Room("tf", effort=effort))
    log = Log(given.lines)
    if given.efforts:
        compare_efforts(log, cases)
    else:
        ablate(log, cases, given.only)


if __name__ == "__main__":
    main()
