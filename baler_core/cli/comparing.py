"""Implement `baler compare`: what other compressors make of the same values at the same bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import Bytes, FilePath, common_options, gathered
from baler_core.cli.outputs import ChosenOutput, force_option, ready, refuse_stream
from baler_core.cli.text import bytes_text, print_box, print_json, print_table
from baler_core.config import Config, load_config
from baler_core.machine.records import dataclass
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.evaluate.peer_results import PeerComparison, PeerResult
    from baler_core.evaluate.peers.peer import Peer

_EXTRA = "pip install 'baler-core[peers]'"


@click.command()
@click.argument("config", type=FilePath())
@click.option(
    "--input", "inputs", multiple=True, metavar="FILE",
    help="Compare on this file, or on those of this folder, instead of the inputs; may be repeated.",
)  # fmt: skip
@click.option(
    "--with", "names", multiple=True, metavar="NAME", help="Compare only with this compressor; may be repeated."
)
@click.option("--sample", type=Bytes(), default="16 MB", show_default=True, help="How much of the input to take.")
@click.option("--fresh", is_flag=True, help="Measure again what is known of the same values, bounds and versions.")
@click.option("-o", "--output", type=FilePath(), help="The file of the results [OUTPUT/compare.json].")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
def compare(
    config: Path, inputs: tuple[str, ...], names: tuple[str, ...], sample: int, fresh: bool, chosen: ChosenOutput
) -> None:
    """Compress a sample of each input of CONFIG by baler and by other compressors, all at the same bounds."""
    from baler_core.evaluate.peer_results import in_all
    from baler_core.evaluate.peers.available import chosen_peers
    from baler_core.evaluate.peers.record import holds_comparison, write_comparisons

    peers = chosen_peers(names)
    registry = load_plugins()
    checked = load_config(config, registry, inputs=_files(inputs, registry))
    refuse_stream(chosen.output, "the file of results, which --json prints")
    target = chosen.output or checked.output / "compare.json"
    # The results of an earlier comparison are taken up again.
    target = ready(target, [config, *checked.inputs], replace=chosen.replaces or holds_comparison(target))
    how = _How(checked, registry, peers, sample, None if fresh else target)
    found = [_compared(path, how) for path in checked.inputs]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_comparisons(target, found)
    each = [one for _, one in found]
    total = in_all(each) if len(each) > 1 else None
    if chosen.as_json:
        print_json(_record(each[0]) if total is None else {"files": [*map(_record, each)], "total": _record(total)})
        return
    for one in each:
        _show(one)
        click.echo("")
    if total is not None:
        _show(total)
        click.echo("")
    _explain(total or each[0])
    click.echo(f"\nwrote {target}")


@dataclass(frozen=True)
class _How:
    """How inputs are compared: with whom, on how many bytes, and where what is known is kept."""

    config: Config
    registry: Registry
    peers: Sequence[Peer]
    sample: int
    earlier: Path | None


def _files(inputs: Sequence[str], registry: Registry) -> list[str]:
    """Return inputs, with the files of folders in the place of these."""
    from baler_core.config.inputs import data_files_in

    folders = [(text, Path(os.path.expanduser(text))) for text in inputs]  # Path refuses ~draft
    return [
        file
        for text, path in folders
        for file in (
            map(str, data_files_in(path, registry)) if path.is_dir() and not registry.takes_folder(path) else [text]
        )
    ]


def _compared(path: Path, how: _How) -> tuple[str, PeerComparison]:
    """Compare on one input; with the digest of what was compared."""
    from baler_core.evaluate.peers.comparison import compare_with_others
    from baler_core.evaluate.peers.record import known_results
    from baler_core.evaluate.peers.sample import take_sample
    from baler_core.pipeline.input import input_of

    given = input_of(path, how.config, how.registry)
    with given.source:
        taken = take_sample(given, how.config, how.sample)
        digest = taken.digest()
        known = {} if how.earlier is None else known_results(how.earlier, digest)
        return digest, compare_with_others(taken, how.registry, how.peers, known)


def _show(found: PeerComparison) -> None:
    part = "all" if found.native == found.whole else f"{bytes_text(found.native)}, from the middle,"
    click.echo(f"{found.source}: {part} of {bytes_text(found.whole)} of values, {found.variables:,} variables")
    header = (
        "compressor",
        "bytes",
        "ratio",
        "beside",
        "MB/s in",
        "MB/s out",
        "error / allowed",
        "beyond",
        *_derived(found),
    )
    print_table([_row(found, result) for result in found.results], header=header)
    best = found.best()
    if best is not None and best.nbytes:
        click.echo(f"best of the others: {best.name}, {best.nbytes / found.ours.nbytes:.3g} times the bytes of baler")
    if found.strange:
        click.echo(f"take none of these variables under their bounds: {', '.join(found.strange)}")


def _explain(found: PeerComparison) -> None:
    click.echo(
        "Of the others, values alone count, without names, types and metadata; of baler, the whole file.\n"
        "beside: variables that a compressor does not take, such as exact ones, for which zstd -19 stands in.\n"
        "MB/s: of values per second of processor time."
    )
    if found.absent:
        missing = [f"{name} needs {packages}" for name, packages in found.absent]
        print_box("NOT INSTALLED", [*missing, f"most of them come with {_EXTRA}"])


def _derived(found: PeerComparison) -> list[str]:
    return [quantity.name for quantity in found.ours.derived]


def _row(found: PeerComparison, result: PeerResult) -> tuple[str, ...]:
    if result.problem:
        return (result.name, "failed:", result.problem)
    beyond = f"{result.violations:,}" if result.violations else "-"
    derived = [f"{one.share:.3g} of its bound" + (" BROKEN" if one.violations else "") for one in result.derived]
    name = result.name if result.holds else f"{result.name} BREAKS BOUNDS"
    sizes = (f"{result.nbytes:,}", f"{found.ratio(result):.2f}", str(result.beside) if result.beside else "")
    speeds = [_speed(found.native, seconds) for seconds in result.seconds]
    return (name, *sizes, *speeds, f"{result.share:.4f}", beyond, *derived)


def _speed(nbytes: int, seconds: float) -> str:
    return f"{nbytes / 1e6 / seconds:.3g}" if seconds > 0 else ""


def _record(found: PeerComparison) -> dict[str, Any]:
    results = []
    for result in found.results:
        speeds = [found.native / 1e6 / seconds if seconds > 0 else math.nan for seconds in result.seconds]
        derived = [vars(one) for one in result.derived]
        fields = {**vars(result), "derived": derived, "ratio": found.ratio(result), "mb_per_second": speeds}
        results.append(fields)
    sizes = {"native_bytes": found.native, "whole_bytes": found.whole, "variables": found.variables}
    absent = [{"name": name, "packages": packages} for name, packages in found.absent]
    return {"input": found.source, **sizes, "results": results, "absent": absent, "strange": list(found.strange)}
