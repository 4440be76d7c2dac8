"""`baler run`: train, compress, decompress, evaluate, report, and a summary at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import common_options
from baler_core.cli.steps import compressed_path, compressed_record, model_path, ready, restored_path
from baler_core.cli.text import bytes_text, print_json, print_table
from baler_core.config import Config, load_config
from baler_core.config.inputs import split_name
from baler_core.plugins import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.compress import Compressed
    from baler_core.evaluate import Results


@dataclass(frozen=True)
class Outcome:
    """What a run made of one input."""

    source: Path
    compressed: Compressed
    restored: Path
    results: Results
    report: Path


@click.command(short_help="Do all of it: train, compress, decompress, evaluate, report.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, metavar="FILE", help="Take this file instead of 'input'.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder of the results, instead of 'output'.")
@click.option("--json", "as_json", is_flag=True, help="The summary for programs.")
@common_options
def run(config: Path, inputs: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Train on the first input of CONFIG, compress and restore every input, and report what was lost."""
    registry = load_plugins()
    checked = load_config(config, registry, inputs=inputs)
    from baler_core.compress import train

    if output is not None:
        checked = replace(checked, output=output)
    _announce(f"training on {checked.inputs[0]}", as_json)
    model = train(checked, registry, output=ready(model_path(checked, registry)))
    outcomes = [_through(checked, registry, source, model, as_json) for source in checked.inputs]
    if as_json:
        print_json({"model": str(model), "files": [_record(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            _summary(outcome)


def _announce(text: str, silent: bool) -> None:
    if not silent:
        click.echo(text, err=True)


def _through(config: Config, registry: Registry, source: Path, model: Path, silent: bool) -> Outcome:
    """One input on its way to the report."""
    from baler_core.compress import compress
    from baler_core.decompress import decompress
    from baler_core.evaluate import evaluate
    from baler_core.report import write_report

    _announce(f"compressing {source}", silent)
    target = ready(compressed_path(config, source, registry), source)
    compressed = compress(config, registry, source=source, output=target, model=model)
    _announce(f"restoring {compressed.path}", silent)
    restored = decompress(compressed.path, registry, output=ready(restored_path(config, source, registry), source))
    _announce(f"comparing {source} and {restored}", silent)
    results = evaluate(source, restored, registry, reader=config.reader, metrics=config.metrics)
    report = write_report(results, _report_folder(config, source, registry))
    return Outcome(source, compressed, restored, results, report)


def _report_folder(config: Config, source: Path, registry: Registry) -> Path:
    """The output folder; with several inputs, a folder in it for each."""
    if len(config.inputs) == 1:
        return config.output
    return config.output / split_name(source, registry)[0]


def _summary(outcome: Outcome) -> None:
    """The table at the end of a run."""
    compressed = outcome.compressed
    name, (error, allowed) = _worst(compressed)
    click.echo()
    print_table(
        [
            (str(outcome.source), bytes_text(compressed.input_bytes)),
            (str(compressed.path), bytes_text(compressed.file_bytes), f"ratio {compressed.ratio:.2f}"),
            ("largest error", f"{error:.3g}", f"allowed {allowed:.3g} ({name})"),
            ("restored", str(outcome.restored)),
            ("report", str(outcome.report)),
        ]
    )


def _worst(compressed: Compressed) -> tuple[str, tuple[float, float]]:
    """The variable that comes nearest to its bound."""
    return max(compressed.worst.items(), key=lambda item: item[1][0] / item[1][1] if item[1][1] else 0.0)


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "input": str(outcome.source),
        **compressed_record(outcome.compressed),
        "restored": str(outcome.restored),
        "report": str(outcome.report),
    }
