"""Prints tables in the shape of the Baler paper's (arXiv 2305.02283, tables 1-3, figure 9) beside the paper's own values.

Trains the autoencoder of a configuration at R = 1.7 and 6 and states sizes (every byte of the file counted), what gzip makes
of input and output, and what the model `table` needs at the same RMS error of every variable; then mean and RMS of residual
and response over the kept seeds, as mean +- two standard deviations. The paper's data are other jets: its values show the
order of magnitude.

    python examples/paper/make_jets.py
    python benchmarks/paper.py examples/paper/jets.yaml [--ratios 1.7 6] [--csv tables.csv] [--latex tables.tex]

`--figure9 ROWS ...` adds its figure 9: sizes of the first rows, compressed by the networks of all rows, and what gzip makes of
input and output. `--data FILE` takes the longest table of a file as input: the jets of a ROOT file. `--epochs`, `--seeds` and
`--keep` stand for those of the configuration.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import baler_core
from baler_core.config import ComponentSpec, Config, load_config
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.seeds import MeanOverSeeds, VariableSpread
from baler_core.format.file_info import read_info
from baler_core.pipeline.compression import compress, train
from baler_core.plugin.registry import Registry, load_plugins

KINDS = ("residual_mean", "residual_rms", "response_mean", "response_rms")
SIZES = ("R", "R_actual", "paper", "values", "file", "model", "gzip file", "gzip input", "table, same RMS")
TABLE = {"name": "table", "effort": "balanced", "network": "off"}
# Tables 2 and 3 of the paper, by R and variable: KINDS, each with two standard deviations.
PAPER_TABLES = Path(__file__).with_name("paper_tables.csv")
PAPER_SIZES = {1.7: 1.59, 6.0: 5.8}  # R_actual, of values held as float64


@dataclass(frozen=True)
class Table:
    """Rows of text under a title and a header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """In columns."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.header))]
        aligned = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([self.title, *(line.rstrip() for line in aligned)])

    def latex(self) -> str:
        """As a `tabular`."""
        body = [" & ".join(map(_tex, row)) + r" \\" for row in [self.header, *self.rows]]
        columns = "l" + "r" * (len(self.header) - 1)
        return "\n".join(
            [f"% {self.title}", rf"\begin{{tabular}}{{{columns}}}", r"\hline", body[0], r"\hline", *body[1:], r"\hline", r"\end{tabular}"]
        )  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--ratios", nargs="+", type=float, default=[1.7, 6.0], help="latent_ratio: the paper's R")
    parser.add_argument("--data", type=Path, help="instead of the input of the configuration: the longest table in it")
    parser.add_argument(
        "--figure9", nargs="+", type=int, metavar="ROWS", default=[], help="sizes over the rows of files"
    )
    parser.add_argument("--only-figure9", action="store_true", help="leave out the other tables")
    for name in ("epochs", "seeds", "keep"):
        parser.add_argument(f"--{name}", type=int, help="instead of what the configuration says")
    parser.add_argument("--csv", type=Path, help="write the tables to this file")
    parser.add_argument("--latex", type=Path, help="write the tables to this file")
    given = parser.parse_args()
    registry = load_plugins()
    sizes, errors = [], []
    with tempfile.TemporaryDirectory() as folder:
        config = changed(load_config(given.config, registry, inputs=own_input(given.data, Path(folder))), given)
        for ratio in given.ratios:
            if not given.only_figure9:
                row, table = measured(config, registry, ratio, Path(folder))
                sizes.append(row)
                errors.append(table)
                print(table.text(), Table("Sizes in bytes", SIZES, [row]).text(), sep="\n\n", end="\n\n", flush=True)
            if given.figure9:
                errors.append(figure9(config, registry, ratio, given.figure9, Path(folder)))
                print(errors[-1].text(), end="\n\n", flush=True)
    tables = [Table("Table 1: sizes in bytes", SIZES, sizes), *errors]
    if given.csv is not None:
        write_csv(given.csv, tables)
    if given.latex is not None:
        given.latex.write_text("\n\n".join(table.latex() for table in tables) + "\n", encoding="utf-8")


def own_input(data: Path | None, folder: Path) -> list[str]:
    """The longest table of a file as an archive, if one is given."""
    if data is None:
        return []
    from longest_table import longest_table

    np.savez(folder / "jets.npz", **longest_table(data))  # type: ignore[arg-type]
    return [str(folder / "jets.npz")]


def changed(config: Config, given: argparse.Namespace) -> Config:
    """The configuration with the training of the command line, and no bound on the columns of other data."""
    stated = {name: getattr(given, name) for name in ("epochs", "seeds", "keep") if getattr(given, name) is not None}
    config = replace(config, training=config.training.model_copy(update=stated))
    if given.data is None:
        return config
    with np.load(config.inputs[0]) as archive:
        free = BoundRules(tuple((name, ErrorBound("none")) for name in archive.files))
    return replace(config, bounds=free)


def with_ratio(config: Config, ratio: float) -> Config:
    """The configuration at another R."""
    stated = config.model.options.model_dump() | {"latent_ratio": ratio}
    return replace(config, model=ComponentSpec(config.model.name, type(config.model.options)(**stated)))


def figure9(config: Config, registry: Registry, ratio: float, counts: Sequence[int], folder: Path) -> Table:
    """Sizes of the first rows of the input, by networks that were trained on all of it, and what gzip makes of both."""
    once = replace(config, training=config.training.model_copy(update={"seeds": 1, "keep": 1}))
    trained = train(with_ratio(once, ratio), registry, output=folder / f"{ratio:g}.balm")
    header = ("rows", "values", "file", "R_actual", "gzip of input", "ratio", "gzip of file", "ratio")
    rows = []
    with np.load(config.inputs[0]) as archive:
        columns = {name: archive[name] for name in archive.files}
    for count in counts:
        part, output = folder / "rows.npz", folder / "rows.bal"
        values = {name: column[:count] for name, column in columns.items()}
        np.savez(part, **values)  # type: ignore[arg-type]
        done = compress(with_ratio(once, ratio), registry, source=part, output=output, model=trained)
        native = sum(column.nbytes for column in values.values())
        plain = len(gzip.compress(b"".join(column.tobytes() for column in values.values())))
        zipped = len(gzip.compress(output.read_bytes()))
        shown = (len(next(iter(values.values()))), native, done.file_bytes)
        rows.append(
            (*(f"{number:,}" for number in shown), f"{native / done.file_bytes:.2f}", f"{plain:,}", f"{native / plain:.2f}",
             f"{zipped:,}", f"{native / zipped:.2f}")
        )  # fmt: skip
    return Table(f"Figure 9 at R = {ratio:g}: bytes over the rows of a file, one seed", header, rows)


def measured(config: Config, registry: Registry, ratio: float, folder: Path) -> tuple[list[str], Table]:
    """The row of sizes and the table of errors at one R."""
    source, output = config.inputs[0], folder / "network.bal"
    done = compress(with_ratio(config, ratio), registry, source=source, output=output)
    (spread,) = done.seeds.values()
    title = f"R = {ratio:g}: mean +- 2 sd over the {len(spread.kept)} best of {len(spread.losses)} seeds; paper's values below"
    table = Table(title, ("variable", *KINDS), list(error_rows(ratio, spread.variables.items())))
    other = same_errors(config, registry, source, output, folder)
    whole = output.read_bytes()
    row = [
        f"{ratio:g}",
        f"{done.ratio:.2f}",
        str(PAPER_SIZES.get(ratio, "")),
        f"{done.input_bytes:,}",
        f"{len(whole):,}",
        f"{read_info(output).state_bytes:,}",
        f"{len(gzip.compress(whole)):,}",
        f"{len(gzip.compress(source.read_bytes())):,}",
        f"{other:,}",
    ]
    return row, table


def error_rows(ratio: float, variables: Iterable[tuple[str, VariableSpread]]) -> Iterable[Sequence[str]]:
    """A line per variable, and one with the paper's values where it is known under this name."""
    known = paper_values(ratio)
    for name, found in variables:
        yield (name, *(_spread(getattr(found, kind)) for kind in KINDS))
        if name in known:
            yield ("  paper", *(_spread(value) for value in known[name]))


def paper_values(ratio: float) -> dict[str, list[MeanOverSeeds]]:
    """The paper's values at one R, by variable, in the order of KINDS."""
    with PAPER_TABLES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["R"]) == ratio]
    return {
        row["variable"]: [MeanOverSeeds(float(row[kind]), float(row[f"{kind}_2sd"])) for kind in KINDS] for row in rows
    }


def same_errors(config: Config, registry: Registry, source: Path, output: Path, folder: Path) -> int:
    """Bytes of the file that `table` writes where no variable may have a larger RMS error than in `output`."""
    before, after = np.load(source), baler_core.open(output)
    bounds: dict[str, float] = {}
    for name in before.files:
        lost = np.asarray(after[name].values, np.float64) - before[name]
        rms = math.sqrt(float(np.square(lost).mean()))
        bounds[name] = rms
    sizes = []
    # At some bounds `table` has been seen to keep all values exactly: somewhat smaller errors are tried, too.
    for factor in (1.0, 0.97):
        stated = {name: {"rms": factor * rms} if rms > 0 else "lossless" for name, rms in bounds.items()}
        sizes.append(baler_core.compress(source, folder / "table.bal", bounds=stated, model=TABLE).file_bytes)
    return min(sizes)


def write_csv(path: Path, tables: Sequence[Table]) -> None:
    """All tables, one below the other, each after its title."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for table in tables:
            header = [f"{name} +- {name} 2 sd" if name in KINDS else name for name in table.header]
            writer.writerows([[table.title], _cells(header), *map(_cells, table.rows)])


def _cells(row: Sequence[str]) -> list[str]:
    """Plain numbers, each spread in two cells."""
    return [part.replace(",", "") if part[:1].isdigit() else part for cell in row for part in cell.split(" +- ")]


def _spread(value: MeanOverSeeds) -> str:
    return f"{value.mean:.3g} +- {value.two_sd:.2g}"


def _tex(cell: str) -> str:
    plain = cell.replace("+-", r"$\pm$")
    return plain.replace("_", r"\_").replace("%", r"\%")


if __name__ == "__main__":
    main()
