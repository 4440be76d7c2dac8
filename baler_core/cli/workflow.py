"""Implement `baler run`: train, compress, decompress, evaluate, report, and print a summary."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.compressed import compressed_record
from baler_core.cli.missing import missing_option, with_missing_allowed
from baler_core.cli.options import FilePath, common_options, gathered
from baler_core.cli.outputs import ChosenOutput, ready, ready_for, refuse_stream
from baler_core.cli.results import error_row, refuse_violations, show_left_out, show_undrawn, size_rows, verdict_row
from baler_core.cli.steps import compressed_path, model_path, restored_path
from baler_core.cli.text import print_json, print_table
from baler_core.config import Config, load_config
from baler_core.config.inputs import output_stem
from baler_core.errors import BalerError, ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import make_reader
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.evaluate.results import Results
    from baler_core.pipeline.compressed import Compressed
    from baler_core.report.write import Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a run made of one input."""

    source: Path
    compressed: Compressed
    restored: Path
    results: Results
    report: Report


@dataclass(frozen=True)
class _Run:
    """A run in progress; reports each step on stderr, except with --json."""

    config: Config
    registry: Registry
    silent: bool
    needed: Sequence[Path]
    model: Path | None = None
    force: bool = False

    def tell(self, text: str) -> None:
        if not self.silent:
            click.echo(text, err=True)

    def trained(self) -> Path | None:
        """Return the model trained on the first input for all; a single input trains its own while it is compressed."""
        if self.model is not None or self.config.profile is not None:
            return self.model or self.config.profile
        if self.config.target is not None:
            return None  # each input gets bounds of its own
        if len(self.config.inputs) == 1 and self.config.model_storage == "inside":
            return None
        from baler_core.pipeline.compression import train

        self.tell(f"training on {self.config.inputs[0]}")
        return train(self.config, self.registry, output=ready(model_path(self.config, self.registry), self.needed))

    def outcome(self, source: Path, model: Path | None) -> Outcome:
        """Return one input on its way to the report."""
        from baler_core.machine.in_order import Team
        from baler_core.pipeline.compression import compress
        from baler_core.pipeline.decompression import decompress
        from baler_core.pipeline.matching import told_of_plots

        self.tell(f"compressing {source}" if model else f"training on {source} and compressing it")
        compressed_to = compressed_path(self.config, source, self.registry)
        target = ready_for(source, compressed_to, self.needed, force=self.force)
        compressed = compress(self.config, self.registry, source=source, output=target, model=model, team=Team())
        self.tell(f"restoring {target}")
        folders = make_reader(source, self.config.reader, self.registry).folders
        restored = ready(restored_path(self.config, source, self.registry), self.needed, folders=folders)
        decompress(target, self.registry, output=restored, lookup=Lookup(model))
        self.tell(f"comparing {source} and {restored}")
        results = self._evaluate(source, restored, compressed)
        for sentence in told_of_plots(self.config.plots, [variable.name for variable in results.variables]):
            _log.warning("%s", sentence)
        return Outcome(source, compressed, restored, results, self._report(results, source))

    def _evaluate(self, source: Path, restored: Path, compressed: Compressed) -> Results:
        from baler_core.evaluate.files import Comparison, evaluate

        comparison = Comparison(
            reader=self.config.reader,
            metrics=self.config.metrics,
            variables=self.config.variables,
            compressed=compressed.path,
            histories=compressed.histories,
            seeds=compressed.seeds,
            kept_exact=compressed.kept_exact,
            plots=self.config.plots,
        )
        results = evaluate(source, restored, self.registry, comparison)
        return self._with_peers(source, compressed, results)

    def _with_peers(self, source: Path, compressed: Compressed, results: Results) -> Results:
        """Add what others make of a sample at the same bounds, or why that is not known, unless nothing may be lost."""
        from baler_core.evaluate.peers.comparison import beside_file

        if not any(v.lossy and v.allowed is not None for v in results.variables):
            return results
        try:
            return replace(results, peers=beside_file(self.config, self.registry, source, compressed.path, results))
        except BalerError as error:
            note = f"Other compressors were not measured at the same bounds: {error}"
            return replace(results, notes=(*results.notes, note))

    def report_folder(self, source: Path) -> Path:
        """Return where the report of an input goes."""
        folder = self.config.output
        inputs = self.config.inputs
        return folder / output_stem(source, inputs, self.registry) if len(inputs) > 1 else folder

    def refuse_others(self) -> None:
        """Refuse to replace what was made from other inputs, unless forced.

        Raises
        ------
        BalerError
            If a .bal file or a report would be replaced.
        """
        from baler_core.pipeline.replacing import refuse_other_report

        for source in () if self.force else self.config.inputs:
            ready_for(source, compressed_path(self.config, source, self.registry), self.needed)
            refuse_other_report(
                self.report_folder(source), source, "choose another 'output:', or replace it with --force"
            )

    def _report(self, results: Results, source: Path) -> Report:
        """Into the output folder; with several inputs, into a folder in it for each."""
        from baler_core.report.write import write_report

        folder = self.report_folder(source)
        self.tell(f"writing the report to {folder}")
        return write_report(results, folder, plots=self.config.plots, needed=self.needed)


@click.command()
@click.argument("config", type=FilePath())
@click.option("--input", "inputs", multiple=True, metavar="FILE", help="Take this file instead of 'input'.")
@click.option("-o", "--output", type=FilePath(), help="The folder of the results, instead of 'output'.")
@click.option("--model", type=FilePath(), help="Use this model file instead of training.")
@missing_option
@click.option(
    "--force",
    is_flag=True,
    help="Replace .bal files and reports in the output folder that were made from other inputs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
def run(config: Path, inputs: tuple[str, ...], model: Path | None, allow_missing: bool, chosen: ChosenOutput) -> None:
    """Train on the first input of CONFIG, compress and restore every input, and report what was lost."""
    registry = load_plugins()
    checked = load_config(config, registry, inputs=inputs)
    checked = with_missing_allowed(checked, registry) if allow_missing else checked
    refuse_stream(chosen.output, "a folder of results")
    if chosen.output is not None:
        checked = replace(checked, output=chosen.output)
        if chosen.output.exists() and not chosen.output.is_dir():
            raise ConfigError(
                f"{chosen.output} is a file: 'baler run' writes its results into a folder, name one with -o"
            )
    needed = [config, *checked.inputs, *([model] if model is not None else [])]
    work = _Run(checked, registry, chosen.as_json, needed, model, chosen.force)
    work.refuse_others()
    trained = work.trained()
    outcomes = [work.outcome(source, trained) for source in checked.inputs]
    if chosen.as_json:
        print_json({"files": [_record(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            _show(outcome)
    for outcome in outcomes:
        show_undrawn(outcome.report, _to_draw(outcome, config), err=chosen.as_json)
    for outcome in outcomes:
        refuse_violations(outcome.results)


def _show(outcome: Outcome) -> None:
    """The table at the end of a run."""
    click.echo(f"\n{outcome.source}")
    paths = [("restored", str(outcome.restored)), ("report", str(outcome.report.page or outcome.report.results))]
    rows = [
        *size_rows(outcome.results),
        error_row(outcome.results),
        verdict_row(outcome.results),
        ("file", str(outcome.compressed.path)),
        *paths,
    ]
    if outcome.compressed.target:
        click.echo(f"  {outcome.compressed.target}")
    print_table(rows, indent="  ")
    show_left_out(outcome.results)


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "input": str(outcome.source),
        **compressed_record(outcome.compressed),
        "others": {other.name: other.ratio for other in outcome.results.others},
        "violations": outcome.results.violations,
        "left_out": list(outcome.results.left_out),
        "verdict": vars(outcome.results.verdict),
        "variables": {v.name: {"level": v.level, "words": v.words} for v in outcome.results.variables if v.changed},
        "restored": str(outcome.restored),
        "report": str(outcome.report.page) if outcome.report.page else None,
        "results": str(outcome.report.results),
    }


def _to_draw(outcome: Outcome, config: Path) -> str:
    """How to get the report of a run that could not draw it."""
    paths = [outcome.source, outcome.compressed.path, "--config", config, "-o", outcome.report.results.parent]
    return f"Then: {shlex.join(['baler', 'evaluate', *map(str, paths)])}"
