"""Implement `baler export-onnx`: the trained networks of a file, for programs that know nothing of baler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import FilePath, common_options, model_file
from baler_core.cli.outputs import refuse_stream
from baler_core.cli.text import print_json
from baler_core.errors import ConfigError
from baler_core.pipeline.trained_lookup import Lookup

if TYPE_CHECKING:
    from baler_core.pipeline.export_networks import ExportedNetworks


@click.command(name="export-onnx")
@click.argument("file", type=FilePath())
@click.option("-o", "--output", type=FilePath(), help="The folder to make [STEM.onnx beside FILE].")
@model_file
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
def export_onnx(file: Path, output: Path | None, model: Path | None, as_json: bool) -> None:
    """Write the autoencoders of FILE, a .bal file or a model file, as ONNX: decoders, and encoders where it has them."""
    from baler_core.pipeline.export_networks import export_networks

    refuse_stream(output, "a folder of networks")
    folder = output or file.with_name(f"{file.stem}.onnx")
    if folder.exists():
        raise ConfigError(f"{folder} already exists: choose another folder with -o")
    found = export_networks(file, folder, Lookup(model))
    if as_json:
        print_json({"networks": [*map(_record, found)]})
        return
    for one in found:
        for path in one.files:
            click.echo(f"wrote {path}: {len(one.variables):,} variables, samples of {' x '.join(map(str, one.shape))}")
        if not one.has_encoder:
            click.echo("  no encoder, which only files of `baler train` hold")


def _record(one: ExportedNetworks) -> dict[str, Any]:
    shapes = {"sample_shape": list(one.shape), "latents": list(one.latents)}
    return {"files": [*map(str, one.files)], "variables": list(one.variables), **shapes}
