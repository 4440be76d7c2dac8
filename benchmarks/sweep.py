"""Compresses, restores and compares every data file of folders, and counts how many come back as they were.

Each file goes through the command line, losslessly and at a bound, in processes of their own; the restored one is compared
with the original by the field's own libraries, never through baler.

    python benchmarks/sweep.py FOLDER [FOLDER ...] [--rel 1e-3] [--jobs 2] [--seconds 300] [--only WORD] [--largest BYTES]

right: nothing differs, but for floats within the bound. named: something differs, and the command said what. refused: no
output, one sentence. wrong: something differs and nothing was said. crash: a traceback, a signal, or no end in time.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep_commands import command

HERE = Path(__file__).resolve().parent
KINDS = ("right", "named", "refused", "wrong", "crash")
_TEXT = (".csv", ".tsv", ".txt", ".dat", ".asc", ".tab", ".ecsv", ".tbl", ".mrt")
_HDF5, _ROOT, _FITS = (b"\x89HDF", b"CDF"), (b"root",), (b"SIMPLE",)


@dataclass(frozen=True)
class Outcome:
    """How a file came through: one of KINDS, the bytes of its .bal file, and what was said or differs."""

    kind: str
    size: int = 0
    text: str = ""


def sweep(path: Path, rel: float, seconds: float) -> Outcome:
    """Take one file there and back; rel 0 is lossless."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bounds = {"*": {"rel": rel}} if rel else {"*": "lossless"}
        config = {"input": str(path.resolve()), "bounds": bounds, "output": "out", "model": {"name": "auto"}}
        config["model"]["effort"] = "fast"  # type: ignore[index]
        (folder / "sweep.yaml").write_text(json.dumps(config))
        restored = folder / path.name
        said = []
        for words in (["compress", "sweep.yaml", "-o", "x.bal"], ["decompress", "x.bal", "-o", path.name]):
            code, text = command(words, folder, seconds)
            lines = text.strip().splitlines()
            if code is None:
                return Outcome("crash", text=f"{words[0]}: no end in {seconds:.0f} s")
            if code == 1 and lines and "Traceback" not in text:
                return Outcome("refused", text=lines[-1])
            if code:
                return Outcome("crash", text=f"{words[0]}: exit code {code}: {' | '.join(lines[-3:])}")
            said += [line for line in lines if "warning" in line]
        size = (folder / "x.bal").stat().st_size
        different = _compared(path, restored, rel)
        if not different:
            return Outcome("right", size, " | ".join(said))
        return Outcome("named" if said else "wrong", size, "; ".join([*different[:5], *said]))


def _compared(path: Path, restored: Path, rel: float) -> list[str]:
    try:
        return list(_differences(path, restored, rel))
    except Exception:
        return ["cannot be compared: " + " ".join(traceback.format_exc()[-400:].split())]


def _differences(path: Path, restored: Path, rel: float) -> Iterator[str]:
    """Compare by whatever library reads the format; other files byte for byte."""
    original = path.read_bytes()
    if original == restored.read_bytes():
        return
    if original.startswith(_ROOT):
        from root_compare import differences as compare
    elif original.startswith(_HDF5) or b"\x89HDF\r\n\x1a\n" in original[: 1 << 16]:
        from sweep_hdf5 import hdf5_differences as compare
    elif original.startswith(_FITS) or ".fits" in path.name or ".fz" in path.name:
        from fits_compare import differences as compare
    elif rel and path.name.endswith(_TEXT) and b"\0" not in original:
        from sweep_text import text_differences as compare
    else:
        yield f"{len(original)} bytes became {restored.stat().st_size} other ones"
        return
    yield from compare(path, restored, rel=rel)


def main() -> None:
    """Sweep what the command line names, print a line per file that is not right, and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--rel", type=float, default=1e-3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--only", default="")
    parser.add_argument("--largest", type=int, default=1 << 40)
    asked = parser.parse_args()
    sys.path += [str(HERE), *(str(HERE.parent / "plugins" / name / "tests") for name in ("baler_root", "baler_fits"))]
    totals: dict[tuple[str, str], collections.Counter[str]] = {}
    for folder in asked.folders:
        files = [path for path in folder.rglob("*") if path.is_file() and asked.only in path.name]
        sizes = {path: path.stat().st_size for path in files}
        paths = sorted((path for path in files if sizes[path] <= asked.largest), key=lambda path: (sizes[path], path))
        for rel in (0.0, asked.rel):
            label = f"rel {rel:g}" if rel else "lossless"
            count = totals.setdefault((folder.name, label), collections.Counter())
            with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
                outcomes = pool.map(lambda path, rel=rel: sweep(path, rel, asked.seconds), paths)
                for path, outcome in zip(paths, outcomes, strict=True):
                    count[outcome.kind] += 1
                    if outcome.text:
                        print(f"{outcome.kind:8} {label:9} {path.name}: {outcome.text[:600]}", flush=True)
    print(f"\n{'folder':16} {'bound':10}" + "".join(f"{kind:>9}" for kind in KINDS))
    for (name, label), count in totals.items():
        print(f"{name:16} {label:10}" + "".join(f"{count[kind]:9}" for kind in KINDS))
    sys.exit(any(count["wrong"] or count["crash"] for count in totals.values()))


if __name__ == "__main__":
    main()
