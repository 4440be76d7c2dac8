"""Implement `baler evaluate`, `baler plot` and `baler tables`: show the loss in numbers and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from baler_core.cli.options import FilePath, common_options, gathered, model_file
from baler_core.cli.outputs import ChosenOutput, refuse_stream, refuse_unwritable
from baler_core.cli.text import bytes_text, print_box, print_json, print_table, printable
from baler_core.config import ComponentSpec, Config, load_config
from baler_core.errors import BoundBroken, NotTheOriginal
from baler_core.machine.addresses import here
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.registry import load_plugins

if TYPE_CHECKING:
    from baler_core.evaluate.files import Comparison
    from baler_core.evaluate.results import Results, UnheldResult, VariableResult
    from baler_core.report.write import Report

_PATH = FilePath()


@click.command()
@click.argument("original", type=_PATH)
@click.argument("restored", type=_PATH)
@click.option("--config", type=_PATH, help="Take reader, variables, bounds and metrics from this configuration.")
@click.option("--metric", "metric_names", multiple=True, metavar="NAME", help="A metric to compute; may be repeated.")
@model_file
@click.option("-o", "--output", type=_PATH, help="A folder to write the report and its plots to.")
@click.option("--force", is_flag=True, help="Replace the report of another original in that folder.")
@click.option("--json", "as_json", is_flag=True, help="All numbers, for programs.")
@common_options
@gathered(ChosenOutput, "chosen")
def evaluate(
    original: Path,
    restored: Path,
    config: Path | None,
    metric_names: tuple[str, ...],
    model: Path | None,
    chosen: ChosenOutput,
) -> None:
    """Compare ORIGINAL with RESTORED, a restored file or the .bal file itself."""
    refuse_stream(chosen.output, "the folder of a report")
    _refuse_report(chosen, original)
    registry = load_plugins()
    original, restored = here(original), here(restored)
    metrics = [ComponentSpec(name, registry.metric(name).Options()) for name in metric_names] or None
    checked = load_config(config, registry, inputs=[str(original)]) if config is not None else None
    from baler_core.evaluate.files import evaluate as compare

    results = compare(original, restored, registry, _comparison(checked, metrics, model))
    if chosen.as_json:
        print_json(results.to_json())
    else:
        _show(results)
    if chosen.output is not None:
        from baler_core.report.write import write_report

        needed = [original, restored, *(path for path in (config, model) if path is not None)]
        report = write_report(results, chosen.output, needed=needed)
        click.echo(f"wrote {report.page or report.results}", err=chosen.as_json)
        show_undrawn(report, "Then run this command again", err=chosen.as_json)
    _refuse_another(results, original, restored)


def _refuse_report(chosen: ChosenOutput, original: Path) -> None:
    """Refuse to replace the report of another original, and a folder that cannot be written, before anything is compared."""
    if chosen.output is None:
        return
    refuse_unwritable(chosen.output / "report.json")
    if not chosen.force:
        from baler_core.pipeline.replacing import refuse_other_report

        refuse_other_report(chosen.output, original, "choose another folder with -o, or replace it with --force")


def _comparison(config: Config | None, metrics: list[ComponentSpec] | None, model: Path | None) -> Comparison:
    """Return what to compare, and how, by a configuration if there is one."""
    from baler_core.evaluate.files import Comparison

    if config is None or config.path is None:
        return Comparison(metrics=metrics, lookup=Lookup(model))
    return Comparison(
        reader=config.reader,
        variables=config.variables,
        bounds=config.bounds,
        metrics=metrics or config.metrics,
        plots=config.plots,
        lookup=Lookup(model, (config.path.parent,)),
        derived=config.derived or None,
    )


def _show(results: Results) -> None:
    rows = [(v.name, v.shown_bound or "not known", _error(v), _used(v), f"{v.changed:,}") for v in results.variables]
    print_table(rows, header=("variable", "bound", "largest error", "of allowed", "changed values"))
    _show_derived(results)
    for outcome in results.metrics:
        click.echo(f"\n{outcome.name}{': ' + outcome.problem if outcome.problem else ''}")
        statistics = list(dict.fromkeys(name for values in outcome.values.values() for name in values))
        numbers = [
            (variable, *(_number(values[name]) if name in values else "" for name in statistics))
            for variable, values in outcome.values.items()
        ]
        print_table(numbers, header=("", *statistics), indent="  ")
    for note in results.notes:
        click.echo(f"\nnote: {printable(note)}")
    if results.kept_exact:
        click.echo("\nexact in spite of a pattern with wildcards:")
        print_table(list(results.kept_exact.items()), indent="  ")
    click.echo()
    print_table([*size_rows(results), verdict_row(results)])
    show_left_out(results)


def _show_derived(results: Results) -> None:
    rows = [
        (d.name, d.formula, d.bound, f"{d.largest_error:.3g} {d.units}".rstrip(), f"{d.share:.1%}", f"{d.cells:,}")
        for d in results.derived
    ]
    if rows:
        click.echo()
        print_table(rows, header=("derived", "formula", "bound", "largest error", "of allowed", "cells"))
    before = [(d.name, *_unheld(d.unheld, d.units)) for d in results.derived if d.unheld is not None]
    if before:
        click.echo()
        print_table(
            before,
            header=(
                "without derived",
                "by the bounds of its variables",
                "of allowed",
                "before corrections",
                "of allowed",
                "cells corrected",
                "values exact for it",
                "bytes of these",
            ),
        )


def _unheld(found: UnheldResult, units: str) -> tuple[str, ...]:
    """What a quantity would be without corrections, and what these cost; by bounds alone on a sample."""
    by_bounds = ("", "")
    if found.by_bounds_error is not None and found.by_bounds_share is not None:
        by_bounds = (f"about {found.by_bounds_error:.2g} {units}".rstrip(), f"{found.by_bounds_share:.0%}")
    return (
        *by_bounds,
        f"{found.largest_error:.3g} {units}".rstrip(),
        f"{found.share:.0%}",
        f"{found.cells:,}",
        f"{found.exact_values:,}",
        bytes_text(found.exact_bytes),
    )


def show_left_out(results: Results) -> None:
    """List what is not in the restored file, and what readers of the format will miss in it."""
    sentences = [*results.left_out]
    for v in results.variables:
        if v.mask_changed:
            sentences.append(f"{v.name}: {v.mask_changed:,} values changed between valid and missing")
        if v.zeros_changed:
            sentences.append(
                f"{v.name}: {v.zeros_changed:,} of {v.zeros:,} values that were exactly 0 are not any more"
            )
        if v.unexpected_signs:
            sentences.append(
                f"{v.name}: {v.unexpected_signs:,} values changed their sign; 'sign: keep' beside the bound keeps it"
            )
        if v.merged and v.distinct is not None:
            sentences.append(f"{v.name}: {v.distinct[0]:,} distinct whole numbers became {v.distinct[1]:,}")
    if sentences:
        print_box("NOT AS IN THE ORIGINAL", sentences)


def show_undrawn(report: Report, advice: str, *, err: bool) -> None:
    """Print a box if a report has neither a page nor plots, with what to do."""
    if report.missing:
        print_box("NO REPORT.HTML AND NO PLOTS", [f"{report.missing}. {advice}"], err=err)


def _number(value: float) -> str:
    """Counts in full, anything else to four digits."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"


def _used(variable: VariableResult) -> str:
    """What of the allowed error is used by the value nearest to it, and on average."""
    if not variable.lossy:
        return ""
    shares = [f"{variable.share:.1%}"] if variable.allowed is not None or variable.mean_share is None else []
    return ", ".join([*shares, *([f"{variable.mean_share:.1%} on average"] if variable.mean_share is not None else [])])


def _error(variable: VariableResult) -> str:
    return f"{variable.largest_error:.3g} {variable.units}".rstrip()


def size_rows(results: Results) -> list[tuple[str, str]]:
    """Return bytes and ratios, beside what general-purpose compressors make of the same values."""
    sizes = results.sizes
    file_size = f", file of {bytes_text(sizes.input_file)}" if sizes.input_file is not None else ""
    rows = [("values", f"{bytes_text(sizes.native)}{file_size}")]
    if sizes.compressed and sizes.ratio:
        of_file = f" ({sizes.input_file / sizes.compressed:.2f} of the file)" if sizes.input_file is not None else ""
        rows.append(("compressed", f"{bytes_text(sizes.compressed)}, ratio {sizes.ratio:.2f}{of_file}"))
    return [*rows, *((f"ratio of {other.name}", f"{other.ratio:.2f}") for other in results.others)]


def verdict_row(results: Results) -> tuple[str, str]:
    """Return the verdicts on all variables and derived quantities, in one line."""
    from baler_core.evaluate.judgement import summary

    return ("verdict", summary(results))


def error_row(results: Results) -> tuple[str, str]:
    """Return the largest error against its bound."""
    worst = results.worst()
    if worst is None:
        exact = results.verdict.good and not any(v.lossy for v in results.variables)
        return "largest error", f"none: {results.verdict.sentence}" if exact else results.verdict.sentence
    used = f"{worst.share:.1%} of what '{worst.shown_bound}' allows"
    return ("largest error", f"{worst.name}: {used}, {_error(worst)} at most")


def refuse_violations(results: Results) -> None:
    """Stop with what was found if any value, or any cell of a derived quantity, lies outside its bound.

    Raises
    ------
    BoundBroken
        With the number of values.
    """
    found = violations(results)
    if found:
        raise BoundBroken(f"{found} in {results.restored}")


def violations(results: Results) -> str:
    """Return what lies outside its bound; empty if nothing does."""
    if results.violations:
        names = ", ".join(variable.name for variable in results.variables if variable.violations)
        return f"{results.violations} values lie outside their bounds, in {names}"
    moved = [one for one in results.derived if one.violations]
    if moved:
        return f"{moved[0].violations} of {moved[0].cells} cells of the derived quantity {moved[0].name!r} lie outside its bound"
    broken = not results.verdict.good and any(variable.is_broken_on_average for variable in results.variables)
    return results.verdict.sentence if broken else ""


def _refuse_another(results: Results, original: Path, restored: Path) -> None:
    """Stop if values lie outside their bounds: a .bal file is checked when it is written, so the original is another."""
    from baler_core.evaluate.files import is_bal
    from baler_core.format.file_info import read_info
    from baler_core.machine.disk import size_of

    found = violations(results)
    if not found:
        return
    cause = f"is {original} the file that {restored} was made from, with these bounds?"
    if is_bal(restored):
        header, size = read_info(restored).header, size_of(original)
        if (header.input_name, header.input_file_bytes) == (original.name, size):
            cause = f"either {original} was changed after {restored} was made from it, or this is a bug in baler, to be reported"
        else:
            made_from = f"{header.input_name} of {header.input_file_bytes:,} bytes"
            cause = f"{original}, of {size:,} bytes, is not the file that it was made from, {made_from}"
    raise NotTheOriginal(f"{restored}: {found}: {cause}")


@click.command()
@click.argument("results", type=_PATH)
@click.option("--variable", "variables", multiple=True, metavar="PATTERN", help="What to draw [all]; may be repeated.")
@common_options
def plot(results: Path, variables: tuple[str, ...]) -> None:
    """Draw variables before and after into plots/ of RESULTS, the folder that `baler run` or `evaluate -o` wrote."""
    from baler_core.report.write import redraw

    for picture in redraw(results, variables or ("*",)):
        click.echo(f"wrote {picture}")


@click.command()
@click.argument("results", type=_PATH)
@common_options
def tables(results: Path) -> None:
    """Write errors and sizes as CSV and LaTeX into tables/ of RESULTS, the folder that `baler run` or `evaluate -o` wrote."""
    from baler_core.report.tables import write_tables
    from baler_core.report.write import read_results

    for table in write_tables(read_results(results), results / "tables"):
        click.echo(f"wrote {table}")
