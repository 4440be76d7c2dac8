"""Implement `baler check`: check a configuration, with its inputs or without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.coverage import matches_of, matches_record, show_matches
from baler_core.cli.options import FilePath, common_options
from baler_core.cli.text import print_json, print_table
from baler_core.config import Config, InvalidConfig, load_config
from baler_core.errors import ConfigError, MissingPackage
from baler_core.plugin.registry import load_plugins

if TYPE_CHECKING:
    from baler_core.pipeline.matching import Matches


@click.command()
@click.argument("config", type=FilePath())
@click.option("--data", is_flag=True, help="Open the inputs, and show what each pattern of the bounds matches.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all problems with file, line and key.")
@common_options
def check(config: Path, data: bool, as_json: bool) -> None:
    """Check the configuration CONFIG: names, options, bounds, and whether the input files are there."""
    registry = load_plugins()
    from baler_core.pipeline.job import named_model
    from baler_core.pipeline.matching import told_of_angles

    try:
        checked = load_config(config, registry)
        named_model(checked, registry)
    except (ConfigError, MissingPackage) as error:
        if as_json:
            problems = error.problems if isinstance(error, InvalidConfig) else []
            listed = [{"line": p.line, "key": p.key, "message": p.message} for p in problems]
            print_json({"file": str(config), "ok": False, "message": str(error), "problems": listed})
        raise
    found = matches_of(checked, registry) if data else []
    problem = _unmatched(config, found)
    if as_json:
        matched = {"data": [matches_record(matches) for matches in found]} if data else {}
        known = {"file": str(config), "ok": not problem, "compared_with_data": data, "problems": []}
        known |= {"message": problem} if problem else {}
        print_json({**known, **_summary(checked), **matched})
    else:
        click.echo(_verdict(config, checked, found, data=data))
        print_table([(key, _text(value)) for key, value in _summary(checked).items()], indent="  ")
        for sentence in [] if data else told_of_angles(checked.bounds):
            click.echo(f"  warning: {sentence}")
        for matches in found:
            show_matches(matches)
    if problem:
        raise ConfigError(problem)


def _unmatched(path: Path, found: Sequence[Matches]) -> str:
    """What is wrong if a name in the bounds, which has no wildcards, is that of no variable of any input."""
    idle = [{match.pattern: match.hint for match in matches.patterns if match.hint} for matches in found]
    named = {match.pattern for matches in found for match in matches.patterns if match.is_name}
    names = [p for p in (idle[0] if idle else ()) if p in named and all(p in hints for hints in idle)]
    if not names:
        return ""
    said = [f"{name!r}. {idle[0][name]}" for name in names[:3]]
    more = f" {len(names) - 3} more do so, see above." if len(names) > 3 else ""
    return f"{path}: bounds that match no variable: {' '.join(said)}{more}"


def _verdict(path: Path, config: Config, found: Sequence[Matches], *, data: bool) -> str:
    """What was looked at and found, and no more than that."""
    seen = f"{path}: keys, names and options are valid, and all inputs exist"
    if not data:
        unknown = "what the patterns of the bounds match" if config.bounds.rules else "whether they can be read"
        return f"{seen}\n  not compared with the data: 'baler check {path} --data' shows {unknown}"
    idle = sum(bool(match.hint) for matches in found for match in matches.patterns)
    if idle:
        return f"{seen}\n  but {idle} {'pattern of the bounds matches' if idle == 1 else 'patterns match'} no variable, see below"
    return f"{seen} and can be opened" + ("; every pattern of the bounds matches" if config.bounds.rules else "")


def _summary(config: Config) -> dict[str, Any]:
    bounds = {pattern: str(bound) for pattern, bound in config.bounds.rules}
    return {
        "input": [str(path) for path in config.inputs],
        "reader": config.reader.name if config.reader else "by suffix",
        "bounds": bounds or "none set: every value is exact",
        **({"target": str(config.target)} if config.target is not None else {}),
        **(
            {"derived": {rule.name: f"{rule.formula.text}, {rule.bound}" for rule in config.derived}}
            if config.derived
            else {}
        ),
        "model": config.model.name,
        "metrics": [metric.name for metric in config.metrics],
        "output": str(config.output),
    }


def _text(value: Any) -> str:
    """A list or mapping in one line, cut short."""
    if isinstance(value, str):
        return value
    parts = [f"{k}: {v}" for k, v in value.items()] if isinstance(value, dict) else list(value)
    more = f", and {len(parts) - 6} more" if len(parts) > 6 else ""
    return ", ".join(parts[:6]) + more
