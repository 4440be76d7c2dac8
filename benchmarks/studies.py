"""Studies of what compression of tables depends on: how many rows, other data than trained on, variables, seeds.

    python benchmarks/studies.py STUDY ... [--rows 100 1000 10000] [--steps 400] [--seeds 5] [--data FILE] [--images FOLDER]
    python benchmarks/studies.py STUDY ... --drawn-from PRINTED --images FOLDER

| study | what it prints and draws |
|---|---|
| file | ratio against the rows of a file, within one bound: `scalar`, `table`, and an autoencoder with its corrections |
| training | errors and bytes of other rows against the rows that a model was trained on |
| others | models trained on one sample, used on others: of the same kind, with other energies, of another region |
| variables | which variables carry the error of an autoencoder |
| seeds | how much error and size depend on the seed |

Each prints a JSON object per line, then a table. Data are made by `examples/paper/make_jets.py` (24 columns), or the longest
table of `--data`. Autoencoders have 64-32 nodes and are trained for about `--steps` steps of 512 rows, whatever the rows are.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import runpy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from longest_table import longest_table

import baler_core
from baler_core.report.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Columns = dict[str, np.ndarray]
Row = dict[str, Any]
Draw = Callable[["Axes", Sequence[Row]], None]
MAKE = Path(__file__).resolve().parents[1] / "examples" / "paper" / "make_jets.py"
BOUND = {"*": {"rel": 1e-3}}
TABLE = {"name": "table", "effort": "fast"}
_OTHER_ROWS = 10_000


@dataclass(frozen=True)
class Wanted:
    """What to run: rows of files or training sets, steps of training, seeds, and where data come from."""

    rows: tuple[int, ...]
    steps: int
    seeds: int
    sample: Callable[[int, int], Columns]

    def network(self, ratio: float, rows: int, seed: int = 1) -> dict[str, Any]:
        """Arguments that compress by an autoencoder."""
        epochs = max(1, round(self.steps / max(1, rows / 512)))
        model = {"name": "dense_autoencoder", "latent_ratio": ratio, "hidden": [64, 32]}
        return {"model": model, "training": {"epochs": epochs, "seed": seed}}


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", choices=STUDIES, metavar="STUDY")
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 300, 1000, 3000, 10_000])
    parser.add_argument("--steps", type=int, default=400, help="of training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="a file with a table, instead of jets that are made up")
    parser.add_argument("--images", type=Path, help="draw into this folder")
    parser.add_argument("--drawn-from", type=Path, help="draw what was printed into this file, instead of measuring")
    given = parser.parse_args()
    wanted = Wanted(tuple(given.rows), given.steps, given.seeds, _made if given.data is None else _pieces(given.data))
    for name in given.studies:
        study, draw = STUDIES[name]
        rows = []
        for row in study(wanted) if given.drawn_from is None else _printed(given.drawn_from, name):
            rows.append(row)
            print(json.dumps({"study": name, **row}), flush=True)
        print(_table(rows), end="\n\n")
        if given.images is not None:
            _save(given.images / f"study_{name}.svg", draw, rows)


def _printed(path: Path, name: str) -> Iterator[Row]:
    """What a study printed before."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line) if line.startswith('{"study"') else {}
        if row.pop("study", None) == name:
            yield row


def _save(path: Path, draw: Draw, rows: Sequence[Row]) -> None:
    """Draw a figure; the same rows always give the same bytes."""
    import matplotlib as mpl

    with new_figure(6.4, 3.4) as figure, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "baler"}):
        draw(figure.add_subplot(), rows)
        figure.savefig(path, metadata={"Date": None})


# ---- data


def _made(rows: int, seed: int) -> Columns:
    """Jets that are made up."""
    found: Columns = runpy.run_path(str(MAKE))["jets"](rows, seed)
    return found


def _pieces(path: Path) -> Callable[[int, int], Columns]:
    """Rows of the longest table of a file, shuffled once; each seed has others, as far as there are enough."""
    columns = longest_table(path)
    order = np.random.default_rng(1).permutation(len(next(iter(columns.values()))))

    def sample(rows: int, seed: int) -> Columns:
        start = 0 if seed == 1 else len(order) // 2
        chosen = np.sort(order[start : start + rows])
        return {name: column[chosen] for name, column in columns.items()}

    return sample


# ---- measures


def compressed(columns: Columns, **settings: Any) -> tuple[int, Columns]:
    """Bytes of the file of columns, and what is restored of them."""
    with tempfile.TemporaryDirectory() as folder:
        done = baler_core.compress(columns, Path(folder) / "x.bal", **settings)
        again = baler_core.open(Path(folder) / "x.bal", trained=settings.get("trained"))
        return done.file_bytes, {name: np.asarray(again[name]) for name in columns}


def unbounded(columns: Columns) -> dict[str, str]:
    """No bound on any column, by name, so that counts lose too."""
    return dict.fromkeys(columns, "none")


def errors(before: Columns, after: Columns, scale: Columns | None = None) -> dict[str, float]:
    """RMS error of each column by its deviation, or by that of others; of columns that vary."""
    found = {}
    for name, values in before.items():
        deviation = float(np.std((scale or before)[name].astype(np.float64)))
        if deviation > 0:
            lost = after[name].astype(np.float64) - values
            found[name] = float(np.sqrt(np.mean(np.square(lost)))) / deviation
    return found


def native(columns: Columns) -> int:
    """Bytes of the values."""
    return sum(column.nbytes for column in columns.values())


# ---- studies


def of_files(wanted: Wanted) -> Iterator[Row]:
    """Ratio against the rows of a file, all within 1e-3 of each value."""
    for rows in wanted.rows:
        columns = wanted.sample(rows, 1)
        row: Row = {"rows": rows, "native": native(columns)}
        for name, how in (
            ("scalar", {"model": "scalar"}),
            ("table", {"model": TABLE}),
            ("network", wanted.network(6, rows)),
        ):
            row[name] = round(native(columns) / compressed(columns, bounds=BOUND, **how)[0], 3)
        yield row


def of_training(wanted: Wanted) -> Iterator[Row]:
    """Error and bytes of 10,000 other rows against the rows that were trained on."""
    others = wanted.sample(_OTHER_ROWS, 2)
    anew, _ = compressed(others, bounds=BOUND, model=TABLE)
    with tempfile.TemporaryDirectory() as folder:
        for rows in wanted.rows:
            columns, place = wanted.sample(rows, 1), Path(folder)
            network = {"bounds": unbounded(columns), **wanted.network(6, rows)}
            baler_core.train(columns, place / f"n{rows}.balm", **network)
            _, again = compressed(
                others, trained=place / f"n{rows}.balm", bounds=network["bounds"], model=network["model"]
            )
            _, own = compressed(
                columns, trained=place / f"n{rows}.balm", bounds=network["bounds"], model=network["model"]
            )
            baler_core.train(columns, place / f"t{rows}.balm", bounds=BOUND, model=TABLE)
            bytes_by, _ = compressed(others, trained=place / f"t{rows}.balm", bounds=BOUND)
            yield {
                "rows": rows,
                "error": _median(errors(others, again, others)),
                "error_on_own": _median(errors(columns, own, others)),
                "table_bytes": bytes_by,
                "table_anew": anew,
            }


def of_others(wanted: Wanted) -> Iterator[Row]:
    """Models trained on a sample, used on samples that differ from it more and more."""
    rows = max(wanted.rows)
    trained_on = wanted.sample(rows, 1)
    network = {"bounds": unbounded(trained_on), **wanted.network(6, rows)}
    with tempfile.TemporaryDirectory() as folder:
        by_network, by_table = Path(folder) / "n.balm", Path(folder) / "t.balm"
        baler_core.train(trained_on, by_network, **network)
        baler_core.train(trained_on, by_table, bounds=BOUND, model=TABLE)
        for name, columns in (("its own rows", trained_on), *_drifting(wanted.sample(rows, 2))):
            _, again = compressed(columns, trained=by_network, bounds=network["bounds"], model=network["model"])
            bytes_by, _ = compressed(columns, trained=by_table, bounds=BOUND)
            anew, _ = compressed(columns, bounds=BOUND, model=TABLE)
            yield {
                "data": name,
                "rows": len(next(iter(columns.values()))),
                "error": _median(errors(columns, again, trained_on)),
                "largest_error": round(max(errors(columns, again, trained_on).values()), 4),
                "table_bytes": bytes_by,
                "table_anew": anew,
            }


def _drifting(columns: Columns) -> Iterator[tuple[str, Columns]]:
    """The same kind; all columns 10 % and 50 % larger; the tenth of the rows in which the first column is largest."""
    yield "others of the kind", columns
    for percent in (10, 50):
        yield f"{percent} % larger", {name: (c * (1 + percent / 100)).astype(c.dtype) for name, c in columns.items()}
    first = next(iter(columns.values()))
    chosen = first >= np.quantile(first, 0.9)
    yield "the highest tenth", {name: column[chosen] for name, column in columns.items()}


def of_variables(wanted: Wanted) -> Iterator[Row]:
    """Which variables carry the error of an autoencoder, at R = 1.7 and 6."""
    columns = wanted.sample(max(wanted.rows), 1)
    found = {}
    for ratio in (1.7, 6.0):
        how = wanted.network(ratio, max(wanted.rows))
        found[ratio] = errors(columns, compressed(columns, bounds=unbounded(columns), **how)[1])
    squares = {ratio: sum(value**2 for value in each.values()) for ratio, each in found.items()}
    for name in sorted(found[6.0], key=lambda name: -found[6.0][name]):
        shares = {ratio: found[ratio][name] ** 2 / squares[ratio] for ratio in found}
        yield {
            "variable": name,
            **{f"error_R{ratio:g}": round(found[ratio][name], 4) for ratio in found},
            **{f"share_R{ratio:g}": round(share, 4) for ratio, share in shares.items()},
        }


def of_seeds(wanted: Wanted) -> Iterator[Row]:
    """How much depends on the seed of a training."""
    columns = wanted.sample(max(wanted.rows), 1)
    for seed in range(1, wanted.seeds + 1):
        how = wanted.network(6, max(wanted.rows), seed)
        size, again = compressed(columns, bounds=unbounded(columns), **how)
        within, _ = compressed(columns, bounds=BOUND, **how)
        row: Row = {
            "seed": seed,
            "error": _median(errors(columns, again)),
            "bytes": size,
            "bytes_within_bounds": within,
        }
        yield row


def _median(found: Mapping[str, float]) -> float:
    return round(float(np.median(list(found.values()))), 5)


# ---- tables and figures


def _table(rows: Sequence[Row]) -> str:
    header = list(rows[0])
    lines = [
        header,
        *([f"{row[key]:,}" if isinstance(row[key], int) else str(row[key]) for key in header] for row in rows),
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _draw_files(axes: Axes, rows: Sequence[Row]) -> None:
    for name, label in (("scalar", "scalar"), ("table", "table"), ("network", "autoencoder, R = 6, corrected")):
        axes.plot([row["rows"] for row in rows], [row[name] for row in rows], "o-", label=label)
    axes.set(xscale="log", xlabel="rows of the file", ylabel="ratio within 0.1 % of each value")
    axes.legend()


def _draw_training(axes: Axes, rows: Sequence[Row]) -> None:
    count = [row["rows"] for row in rows]
    axes.plot(count, [row["error"] for row in rows], "o-", label="autoencoder, other rows")
    axes.plot(count, [row["error_on_own"] for row in rows], "o--", label="autoencoder, rows trained on")
    axes.plot(
        count, [row["table_bytes"] / row["table_anew"] for row in rows], "s-", label="table: bytes / learned anew"
    )
    axes.set(xscale="log", xlabel="rows trained on", ylabel="RMS error / deviation, median")
    axes.legend()


def _draw_others(axes: Axes, rows: Sequence[Row]) -> None:
    places = np.arange(len(rows))
    axes.bar(places - 0.2, [row["error"] for row in rows], 0.4, label="autoencoder: RMS error / deviation")
    axes.bar(
        places + 0.2, [row["table_bytes"] / row["table_anew"] for row in rows], 0.4, label="table: bytes / learned anew"
    )
    axes.set_xticks(places, [row["data"] for row in rows], rotation=12)
    axes.legend()


def _draw_variables(axes: Axes, rows: Sequence[Row]) -> None:
    places = np.arange(len(rows))
    axes.bar(places - 0.2, [row["share_R1.7"] for row in rows], 0.4, label="R = 1.7")
    axes.bar(places + 0.2, [row["share_R6"] for row in rows], 0.4, label="R = 6")
    axes.set_xticks(places, [row["variable"] for row in rows], rotation=90, fontsize=6)
    axes.set_ylabel("share of the squared error")
    axes.legend()


def _draw_seeds(axes: Axes, rows: Sequence[Row]) -> None:
    axes.plot([row["seed"] for row in rows], [row["error"] for row in rows], "o", label="median RMS error / deviation")
    beside = axes.twinx()
    beside.plot([row["seed"] for row in rows], [row["bytes"] for row in rows], "s", color="C1", label="bytes")
    axes.set(xlabel="seed", ylabel="median RMS error / deviation")
    beside.set_ylabel("bytes of the file (squares)")


STUDIES: dict[str, tuple[Callable[[Wanted], Iterator[Row]], Draw]] = {
    "file": (of_files, _draw_files),
    "training": (of_training, _draw_training),
    "others": (of_others, _draw_others),
    "variables": (of_variables, _draw_variables),
    "seeds": (of_seeds, _draw_seeds),
}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # What bounds do to angles is said of every file.
    logging.disable(logging.WARNING)
    main()
