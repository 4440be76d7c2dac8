"""Implement `baler init` and `baler suggest`: propose bounds for a data file, as a configuration or as a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import FilePath, common_options
from baler_core.cli.outputs import STANDARD_OUTPUT, ready, say_new_folder
from baler_core.cli.text import print_json, print_table, printable
from baler_core.errors import ConfigError
from baler_core.machine.addresses import address_of, here
from baler_core.machine.atomic_write import completed
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.suggest.opened import Opened

_reader = click.option("--reader", "reader_name", help="Name of the reader, if the suffix does not determine it.")
_stated = click.option("--reader-option", "stated", multiple=True, metavar="KEY=VALUE", help="An option of the reader.")
_keep = click.option(
    "--keep", multiple=True, metavar="FORMULA", help="Keep a derived quantity, as 'pair_mass(Muon)'; may be repeated."
)


@click.command()
@click.argument("data_file", type=FilePath())
@click.option("-o", "--output", type=FilePath(), help="The configuration to write, - for standard output [STEM.yaml].")
@click.option("--force", is_flag=True, help="Overwrite it if it exists.")
@_keep
@_reader
@_stated
@common_options
def init(
    data_file: Path,
    output: Path | None,
    force: bool,
    keep: tuple[str, ...],
    reader_name: str | None,
    stated: tuple[str, ...],
) -> None:
    """Write a commented configuration for DATA_FILE that lists its variables, with a bound proposed for each."""
    from baler_core.config.inputs import refuse_no_data, split_name

    registry = load_plugins()
    address, data_file = address_of(data_file), here(data_file)
    refuse_no_data(data_file, registry)
    streamed = output == STANDARD_OUTPUT
    default = Path(f"{split_name(data_file, registry)[0]}.yaml")
    target = default if output is None or streamed else output
    if target.exists() and not force and not streamed:
        raise ConfigError(f"{target} already exists: choose another name with -o, or overwrite it with --force")
    with _opened(data_file, registry, reader_name, stated) as opened:
        input_name = address or Path(os.path.relpath(data_file, target.parent)).as_posix()
        text = _configuration(opened, registry, input_name, keep)
    if streamed:
        click.echo(text, nl=False)
        return
    ready(target, [data_file])
    if output is not None:
        say_new_folder(target)
    with completed(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(f"wrote {target}: review it, then run 'baler run {target}'")


@click.command()
@click.argument("data_file", type=FilePath())
@click.option(
    "--for", "form", type=click.Choice(["yaml", "table"], case_sensitive=False), default="yaml", show_default=True,
    help="What to print: a configuration, or a table of all variables.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_keep
@_reader
@_stated
@common_options
def suggest(
    data_file: Path, form: str, as_json: bool, keep: tuple[str, ...], reader_name: str | None, stated: tuple[str, ...]
) -> None:
    """Print a bound for each variable of DATA_FILE, with the reason; nothing is written."""
    from baler_core.config.inputs import refuse_no_data

    registry = load_plugins()
    name, data_file = address_of(data_file) or data_file.as_posix(), here(data_file)
    refuse_no_data(data_file, registry)
    with _opened(data_file, registry, reader_name, stated) as opened:
        if form.lower() == "yaml" and not as_json:
            click.echo(_configuration(opened, registry, name, keep), nl=False)
            return
        rows = _rows(opened)
        kept = _kept(opened, registry, keep)
    if as_json:
        keys = ("variable", "type", "units", "bound", "reason")
        derived = [{"name": k.name, "of": k.formula, "bound": k.bound, "reason": k.reason} for k in kept]
        print_json({"file": name, "bounds": [dict(zip(keys, row, strict=True)) for row in rows], "derived": derived})
        return
    print_table(rows, header=("variable", "type", "units", "bound", "reason"))
    if opened.as_stored:
        click.echo()
        click.echo(printable(f"kept byte for byte, out of reach of bounds: {', '.join(opened.as_stored)}"))
    if kept:
        click.echo()
        print_table([(k.name, k.formula, k.bound, k.reason) for k in kept], header=("derived", "of", "bound", "reason"))


def _opened(
    path: Path, registry: Registry, reader_name: str | None, stated: tuple[str, ...]
) -> AbstractContextManager[Opened]:
    """Open a data file with the options that were stated."""
    from baler_core.suggest.opened import opened

    name = reader_name or registry.reader_for(path)
    options = _reader_options(registry, name, stated)
    return opened(path, registry, name, options, needs_reader=bool(reader_name))


def _configuration(opened: Opened, registry: Registry, input_name: str, keep: Sequence[str]) -> str:
    from baler_core.config.inputs import split_name
    from baler_core.suggest.template import StatedInput, configuration_for

    stem = split_name(Path(input_name), registry)[0]
    stated = StatedInput(
        input_name, opened.reader, opened.options, opened.as_stored, opened.needs_reader, f"results/{stem}/"
    )
    return configuration_for(opened.schema, registry, opened.values, stated, _kept(opened, registry, keep))


def _kept(opened: Opened, registry: Registry, keep: Sequence[str]) -> list[Any]:
    from baler_core.suggest.kept import kept_quantities

    return list(kept_quantities(keep, opened.schema, registry, opened.values))


def _rows(opened: Opened) -> list[tuple[str, str, str, str, str]]:
    from baler_core.suggest.proposals import proposals_for

    proposals = proposals_for(opened.schema, opened.values)
    return [
        (
            v.name,
            v.dtype if v.is_text else v.numpy_dtype.name,
            v.units,
            proposals[v.name].bound,
            proposals[v.name].reason,
        )
        for v in opened.schema.variables
    ]


def _reader_options(registry: Registry, name: str, stated: tuple[str, ...]) -> Any:
    """KEY=VALUE texts as the reader's own options; values are read as YAML reads them."""
    from pydantic import ValidationError

    from baler_core.config.wording import reworded
    from baler_core.config.yaml_nodes import parse_yaml

    values = {}
    for text in stated:
        key, mark, value = text.partition("=")
        if not mark:
            raise ConfigError(f"--reader-option: wanted KEY=VALUE, found {text!r}")
        values[key] = parse_yaml(value, "--reader-option").value
    schema = registry.reader(name).Options
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        complaint = error.errors()[0]
        key = ".".join(map(str, complaint["loc"]))
        raise ConfigError(f"--reader-option {key}: {reworded(complaint, schema)}") from error
