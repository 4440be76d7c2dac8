"""Implement `baler profile`: build one from several files, or list those that installed packages bring."""

from __future__ import annotations

from pathlib import Path

import click

from baler_core.cli.options import common_options
from baler_core.cli.outputs import Destination, force_option
from baler_core.cli.text import bytes_text, print_json, print_table
from baler_core.config import load_config
from baler_core.config.arguments import config_of_arguments
from baler_core.plugin.profiles import installed_profiles
from baler_core.plugin.registry import load_plugins

_PATH = click.Path(path_type=Path)


@click.group(name="profile")
def profile() -> None:
    """Build a profile, trained models for files of one kind to refer to, or list those that are installed."""


@profile.command()
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="The profile to write, NAME.balm.")
@click.option("--config", type=_PATH, help="Take reader, variables, bounds and model from this configuration.")
@click.option("--rows", type=click.IntRange(min=1), help="Take so many rows or events of each file at most.")
@force_option
@common_options
def build(files: tuple[Path, ...], output: Path, config: Path | None, rows: int | None, force: bool) -> None:
    """Train on the tables of FILES, all together, and write what was learned; without --config, for exact values."""
    from baler_core.pipeline.profiles import build_profile

    registry = load_plugins()
    if config is not None:
        checked = load_config(config, registry, inputs=[str(path) for path in files])
    else:
        checked = config_of_arguments("profile", {"bounds": "lossless"}, registry, source=files[0], output=output)
    needed = (*files, *([config] if config is not None else []))
    destination = Destination(output, force, needed, ())
    with destination.path(output) as target:
        build_profile(checked.inputs if config is not None else files, checked, registry, output=target, rows=rows)
        size = target.stat().st_size
    click.echo(
        f"wrote {destination.shown(output)} ({bytes_text(size)}): files refer to it with model: {{profile: {output}}}"
    )


@profile.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
def list_profiles(as_json: bool) -> None:
    """List the profiles of installed packages."""
    from baler_core.pipeline.trained_lookup import checksum

    found = {name: (path, checksum(path)) for name, path in installed_profiles().items()}
    if as_json:
        print_json([{"name": name, "file": str(path), "sha256": digest} for name, (path, digest) in found.items()])
    elif not found:
        click.echo("no installed package brings a profile")
    else:
        rows = [
            (name, bytes_text(path.stat().st_size), digest[:16], str(path)) for name, (path, digest) in found.items()
        ]
        print_table(rows, header=("profile", "size", "SHA-256", "file"))
