"""Implement `baler info` and `baler verify`: show what a .bal file holds, and check that all of it can be restored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.compressed import derived_record, show_derived
from baler_core.cli.options import FilePath, common_options, gathered, memory_option, model_file
from baler_core.cli.text import bytes_text, print_box, print_json, print_table, printable
from baler_core.errors import BalerError, DataError, FormatError
from baler_core.machine.addresses import address_of
from baler_core.machine.records import dataclass
from baler_core.pipeline.trained_lookup import Lookup, find_trained

if TYPE_CHECKING:
    from baler_core.format.file_info import Info
    from baler_core.format.header import ComponentRecord


@click.command()
@click.argument("file", type=FilePath())
@model_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
def info(file: Path, model: Path | None, as_json: bool) -> None:
    """Show what FILE holds: variables, bounds, largest errors, components and sizes; no values are decoded.

    Of a manifest (.balset), list the files.
    """
    if file.suffix == ".balset":
        from baler_core.cli.batch import show_set

        show_set(file, as_json=as_json)
        return
    from baler_core.format.file_info import read_info

    found = read_info(file)
    trained = _trained(found, model)
    if as_json:
        print_json({**_record(found), "trained": trained})
    else:
        _show_file(found, trained)
        _show_groups(found)
        _show_variables(found)
        show_derived(found.header.derived)
        for sentence in found.header.elsewhere:
            click.echo(f"\nnote: {printable(sentence)}")
        if found.header.left_out:
            print_box("NOT IN THIS FILE", found.header.left_out)


@dataclass(frozen=True)
class Trial:
    """How a file is tried: by which trained models, with how much memory, with or without a temporary file."""

    model: Path | None
    memory: int | None
    values_only: bool


@click.command()
@click.argument("files", type=FilePath(), nargs=-1, required=True, metavar="FILE...")
@model_file
@memory_option
@click.option("--values-only", is_flag=True, help="Write no temporary file: check the values alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: of several files, a list.")
@common_options
@gathered(Trial, "trial")
def verify(files: tuple[Path, ...], trial: Trial, as_json: bool) -> None:
    """Try whether each FILE can be restored.

    All values are compared with the checksums that were written with them, and written to a temporary file as by
    'baler decompress', in the folder that TMPDIR names; it is removed. The original is not needed: 'baler evaluate'
    compares with it. Of several files, all are tried, whatever is wrong with one.
    """
    records, failed = [], 0
    for file in files:
        try:
            record = _verified(file, trial)
        except BalerError as error:
            if len(files) == 1:
                raise
            failed += 1
            record = {"file": _called(file), "ok": False, "problem": str(error)}
            click.echo(f"{_called(file)}: NOT intact: {printable(str(error))}", err=True)
        records.append(record)
        if record["ok"] and not as_json:
            _show_intact(record)
    if as_json:
        print_json(records[0] if len(files) == 1 else records)
    if failed:
        raise DataError(f"{failed} of {len(files)} files cannot be restored: they are named above")


def _called(file: Path) -> str:
    """Return a path as it was given; of an address both slashes, of which a path keeps one."""
    return address_of(file) or str(file)


def _verified(file: Path, trial: Trial) -> dict[str, Any]:
    """Restore a file, and return what is told of it.

    Raises
    ------
    BalerError
        If it cannot be restored.
    """
    from baler_core.format.file_info import read_info
    from baler_core.pipeline.decompression import verify as restore_all

    restored = restore_all(file, None, lookup=Lookup(trial.model), memory=trial.memory, values_only=trial.values_only)
    left_out = list(read_info(file).header.left_out)
    found = {"file": _called(file), "ok": True, "restored_bytes": restored, "values_only": trial.values_only}
    return {**found, "left_out": left_out}


def _show_intact(record: Mapping[str, Any]) -> None:
    tried = "no file was written from them" if record["values_only"] else "a temporary file was written from them"
    restored = bytes_text(record["restored_bytes"])
    click.echo(f"{record['file']}: intact, {restored} of values restored as they were written; {tried}")
    if record["left_out"]:
        print_box("NOT IN THIS FILE", record["left_out"])


def _trained(found: Info, model: Path | None) -> dict[str, Any] | None:
    """The file of trained models that FILE refers to, and where it is; None if it refers to none."""
    wanted = found.header.trained
    if wanted is None:
        return None
    record: dict[str, Any] = {"name": wanted.name, "sha256": wanted.sha256, "found": None, "problem": None}
    try:
        record["found"] = str(find_trained(wanted, found.path, Lookup(model)))
    except FormatError as error:
        record["problem"] = str(error)
    return record


def _show_file(found: Info, trained: dict[str, Any] | None) -> None:
    header = found.header
    ratio = f", ratio {found.ratio:.2f}" if header.blocks else ", trained models without data"
    values = f"{bytes_text(header.input_bytes)} of values, " if header.blocks else ""
    values += f"file of {bytes_text(header.input_file_bytes)}"
    print_table(
        [
            (str(found.path), f"{bytes_text(found.file_bytes)}{ratio}, baler {header.version}"),
            ("input", f"{header.input_name} ({values})"),
            ("reader", _component_text(header.reader)),
            *(
                ("preprocessor", f"{_component_text(p.component)} on {', '.join(p.variables)}")
                for p in header.preprocess
            ),
            ("blocks", f"{len(found.block_bytes)}, together {bytes_text(sum(found.block_bytes))}"),
            *(
                [("chunks", ", ".join(f"{dim} {length}" for dim, length in header.chunks.items()))]
                if header.chunks
                else []
            ),
            *([("target", header.target.in_full)] if header.target is not None else []),
            ("learned", bytes_text(found.state_bytes)),
            *([("refers to", f"{trained['name']}, SHA-256 {trained['sha256']}")] if trained else []),
        ]
    )
    if trained is not None:
        click.echo(f"  found at {trained['found']}" if trained["found"] else f"  {trained['problem']}")


def _component_text(record: ComponentRecord) -> str:
    options = "".join(f", {key}: {value}" for key, value in record.options.items())
    return f"{record.name}{options} ({record.package} {record.version})"


def _show_groups(found: Info) -> None:
    rows = []
    for group in found.header.groups:
        models = "; ".join(_component_text(model) for model in group.models)
        dims = ", ".join(found.header.schema.variables[group.variables[0]].dims) or "single values"
        rows.append((dims, group.kind, str(len(group.variables)), models))
    click.echo()
    print_table(rows, header=("group", "kind", "variables", "model"))


def _show_variables(found: Info) -> None:
    rows = []
    for record, bound in zip(_variables(found), found.header.bound_texts, strict=True):
        error, share = record["largest_error"], record["share"]
        rows.append(
            (
                record["name"],
                record["dtype"],
                " x ".join(map(str, record["shape"])) or "1",
                bound,
                "" if error is None else f"{error:.2g} {record['units']}",
                "" if share is None else f"{share:.0%}",
                "" if record["mean_error"] is None else f"{record['mean_error']:.2g}",
            )
        )
    for name, count in found.header.flips.items():
        click.echo(f"{name}: {count:,} values changed sign, within the bound")
    for name, count in found.header.zeros.items():
        click.echo(f"{name}: {count:,} values that were exactly 0 are not any more, within the bound")
    click.echo()
    header = ("variable", "dtype", "shape", "bound", "largest error", "of allowed", "on average")
    shown = len(header) if found.header.means else -1
    print_table([row[:shown] for row in rows], header=header[:shown])
    if found.header.kept_exact:
        click.echo("\nexact in spite of a pattern with wildcards; a lossy bound must name them in full:")
        print_table([(name, why) for name, why in found.header.kept_exact.items()], indent="  ")


def _variables(found: Info) -> list[dict[str, Any]]:
    header = found.header
    bounds = [str(bound) for bound in header.bounds] or [""] * len(header.schema.variables)
    records = []
    for variable, bound in zip(header.schema.variables, bounds, strict=True):
        error = header.errors.get(variable.name)
        records.append(
            {
                "name": variable.name,
                "dtype": variable.dtype,
                "dims": list(variable.dims),
                "shape": [header.schema.sizes[dim] for dim in variable.dims],
                "units": variable.units,
                "bound": bound,
                "largest_error": None if error is None else error.largest,
                "share": None if error is None else error.share,
                "mean_error": header.means.get(variable.name),
                "kept_exact": header.kept_exact.get(variable.name),
                "changed_signs": header.flips.get(variable.name, 0),
                "changed_zeros": header.zeros.get(variable.name, 0),
            }
        )
    return records


def _record(found: Info) -> dict[str, Any]:
    header = found.header
    names = header.schema.names
    return {
        "file": str(found.path),
        "file_bytes": found.file_bytes,
        "ratio": found.ratio if header.blocks else None,
        "baler": header.version,
        "input": {"name": header.input_name, "bytes": header.input_bytes, "file_bytes": header.input_file_bytes},
        "reader": vars(header.reader),
        "preprocess": [{**vars(p.component), "variables": list(p.variables)} for p in header.preprocess],
        "groups": [
            {"kind": g.kind, "variables": [names[n] for n in g.variables], "models": [vars(m) for m in g.models]}
            for g in header.groups
        ],
        "left_out": list(header.left_out),
        "elsewhere": list(header.elsewhere),
        "target": None if header.target is None else vars(header.target),
        "chunks": dict(header.chunks),
        "block_bytes": list(found.block_bytes),
        "state_bytes": found.state_bytes,
        "variables": _variables(found),
        "derived": [derived_record(record) for record in header.derived],
    }
