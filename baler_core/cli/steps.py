"""Implement `baler train` and `baler compress`, the first steps of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from baler_core.cli.batch import Batch, batch_options, compress_batch
from baler_core.cli.compressed import compressed_record, one_line
from baler_core.cli.executors import chosen_executor
from baler_core.cli.missing import missing_option, with_missing_allowed
from baler_core.cli.options import FilePath, common_options, gathered
from baler_core.cli.outputs import ChosenOutput, Destination, force_option, ready_for
from baler_core.cli.restoring import wrote
from baler_core.cli.text import print_box, print_json
from baler_core.config.inputs import output_stem, refuse_data_suffix, split_name
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.config import Config
    from baler_core.machine.in_order import Team
    from baler_core.pipeline.compressed import Compressed

_PATH = FilePath()


@dataclass(frozen=True)
class _ChosenModel:
    """The options --model and --reference of `baler compress`."""

    model: Path | None
    reference: bool


@click.command()
@click.argument("config", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="The model file to write, - for standard output [OUTPUT/STEM.balm].")
@click.option("--input", "inputs", multiple=True, metavar="FILE", help="Train on this file instead of 'input'.")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
def train(config: Path, inputs: tuple[str, ...], chosen: ChosenOutput) -> None:
    """Train the model of the configuration CONFIG on its first input, for `baler compress --model`."""
    from baler_core.config import load_config

    registry = load_plugins()
    checked = load_config(config, registry, inputs=inputs)
    if checked.target is not None:
        raise ConfigError(
            f"{config}: a target is reached with one file, and a model trained for others knows none: remove it"
        )
    from baler_core.pipeline.compression import train as train_model

    destination = chosen.destination([config, *checked.inputs])
    with destination.path(model_path(checked, registry)) as target:
        refuse_data_suffix(chosen.output or target, registry, ".balm")
        written = train_model(checked, registry, output=target)
        size = written.stat().st_size
    if chosen.as_json:
        print_json({"model": str(written), "file_bytes": size})
    else:
        wrote(destination, written, size)


@click.command()
@click.argument("config", type=_PATH)
@click.option(
    "--model", type=_PATH, help="A model file that 'baler train' wrote; without it, the model is trained first."
)
@click.option(
    "--reference",
    is_flag=True,
    help="Refer to the model file instead of holding the model: smaller, but restored only where that file is at hand.",
)
@click.option("--input", "inputs", multiple=True, metavar="FILE", help="Compress this file instead of 'input'.")
@click.option("-o", "--output", type=_PATH, help="The file to write, - for standard output [OUTPUT/STEM.bal].")
@batch_options
@missing_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
@gathered(_ChosenModel, "by")
def compress(
    config: Path, inputs: tuple[str, ...], by: _ChosenModel, batch: Batch, allow_missing: bool, chosen: ChosenOutput
) -> None:
    """Compress the inputs of the configuration CONFIG, each to a file of its own."""
    import baler_core.pipeline.many.task  # noqa: F401 - workers need it
    from baler_core.config import load_config

    registry = load_plugins()
    with chosen_executor(batch.workers, batch.scheduler) as executor:
        checked = load_config(config, registry, inputs=inputs)
        checked = replace(checked, model_storage="reference") if by.reference else checked
        checked = with_missing_allowed(checked, registry) if allow_missing else checked
        checked = checked if batch.memory is None else checked.within_memory(batch.memory)
        model = checked.profile if by.model is None else by.model
        _compress(config, checked, registry, model, replace(batch, executor=executor), chosen)


def _compress(
    config: Path, checked: Config, registry: Registry, model: Path | None, batch: Batch, chosen: ChosenOutput
) -> None:
    """Compress the inputs of a configuration as a set, or one after the other."""
    from baler_core.machine.in_order import Team

    if model is None and checked.model_storage == "reference" and not batch.train_once:
        raise ConfigError("a reference needs a model file: write one with 'baler train', and name it with --model")
    if batch.of_many or (batch.spread and chosen.output is None):
        if chosen.output is not None:
            raise ConfigError(
                "-o names one file, and the options for many files name theirs by the inputs: leave it out"
            )
        compress_batch(config, checked, registry, model, batch, chosen)
        return
    if chosen.output is not None and len(checked.inputs) > 1:
        raise ConfigError(f"-o names one file, but there are {len(checked.inputs)} inputs: leave it out")
    needed = [config, *checked.inputs, *([model] if model is not None else [])]
    destination = chosen.destination(needed)
    team = Team(batch.executor)
    done = [_compress_one(checked, registry, source, model, destination, team) for source in checked.inputs]
    if chosen.as_json:
        print_json([compressed_record(compressed) for compressed in done])


def _compress_one(
    config: Config, registry: Registry, source: Path, model: Path | None, destination: Destination, team: Team
) -> Compressed:
    """Compress an input, and say what became of it."""
    from baler_core.pipeline.compression import compress as compress_file

    default = compressed_path(config, source, registry)
    if destination.named is None:
        ready_for(source, default, destination.needed, force=destination.force)
    with destination.path(default) as target:
        refuse_data_suffix(destination.named or target, registry, ".bal")
        done = compress_file(config, registry, source=source, output=target, model=model, team=team)
    if not destination.as_json:
        click.echo(one_line(done, destination.shown(target)), err=destination.streamed)
        if done.target:
            click.echo(done.target, err=destination.streamed)
    if done.left_out:
        print_box(f"NOT IN {target.name}", done.left_out, err=True)
    return done


def model_path(config: Config, registry: Registry) -> Path:
    """Return where the trained model of a configuration goes."""
    return config.output / f"{split_name(config.inputs[0], registry)[0]}.balm"


def compressed_path(config: Config, source: Path, registry: Registry) -> Path:
    """Return where the compressed form of an input goes."""
    return config.output / f"{output_stem(source, config.inputs, registry)}.bal"


def restored_path(config: Config, source: Path, registry: Registry) -> Path:
    """Return where the restored form of an input goes."""
    stem = output_stem(source, config.inputs, registry)
    return config.output / f"{stem}.restored{split_name(source, registry)[1]}"
