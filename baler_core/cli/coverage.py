"""Implement `baler check --data`: show what the bounds of a configuration match in its inputs, by pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.text import print_table
from baler_core.config import Config
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    from baler_core.pipeline.matching import Matches, PatternMatch


def matches_of(config: Config, registry: Registry) -> list[Matches]:
    """Return what the bounds match in each input."""
    from baler_core.pipeline.matching import find_matches
    from baler_core.suggest.edges import told_of_edges

    return [find_matches(path, config, registry, told_of_edges) for path in config.inputs]


def show_matches(found: Matches) -> None:
    """One input: its patterns, what is exact in spite of them and why, and what none of them covers."""
    from baler_core.pipeline.matching import listed

    click.echo(f"\n{found.path}: {found.variables} variables")
    if not found.patterns and not found.derived:
        click.echo("  no bounds are set, so every value is kept exactly: 'baler init DATA_FILE' proposes bounds")
        return
    print_table(
        [(repr(match.pattern), str(match.bound), _counted(match), _said(match, found)) for match in found.patterns],
        header=("pattern", "bound", "matches", "first names"),
        indent="  ",
    )
    for title, lines in (
        ("exact in spite of a wildcard; a lossy bound must name them in full", _reasons(found)),
        ("whole numbers, text and others, which no wildcard touches", [listed(found.whole)] if found.whole else []),
        ("values that may mark missing data, and are kept exactly", _sentinels(found)),
        ("a bound relative to an angle", found.angles),
        ("a bound wider than the values differ", found.wide),
        ("values end at a number that restored ones may cross", found.crossed),
        ("plots", found.undrawn),
        ("derived quantities", found.derived),
        ("kept byte for byte, out of reach of bounds", [listed(found.as_stored)] if found.as_stored else []),
        ("matched by no pattern, so exact", [listed(found.uncovered)] if found.uncovered else []),
    ):
        if lines:
            click.echo(f"  {title}:")
            for line in lines:
                click.echo(f"    {line}")


def _reasons(found: Matches) -> Sequence[str]:
    return [f"{name}: {reason}" for name, reason in found.kept_exact.items()]


def _sentinels(found: Matches) -> Sequence[str]:
    return [f"{name}: {sentinel}" for name, sentinel in found.sentinels.items()]


def _counted(match: PatternMatch) -> str:
    if match.bound.kind == "lossless" or len(match.lossy) == len(match.variables):
        return str(len(match.variables))
    return f"{len(match.variables)}, of which {len(match.variables) - len(match.lossy)} exact"


def _said(match: PatternMatch, found: Matches) -> str:
    """The first names that get the bound, else why there are none."""
    from baler_core.pipeline.matching import listed

    if match.hint:
        return f"nothing. {match.hint}"
    if match.pattern in found.as_stored:
        return "nothing. It is kept byte for byte"
    if not match.variables:
        return "nothing that an earlier pattern leaves"
    return listed(match.lossy or match.variables)


def matches_record(found: Matches) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "file": str(found.path),
        "variables": found.variables,
        "patterns": [
            {
                "pattern": match.pattern,
                "bound": str(match.bound),
                "variables": list(match.variables),
                "lossy": list(match.lossy),
                "hint": match.hint or None,
            }
            for match in found.patterns
        ],
        "kept_exact": dict(found.kept_exact),
        "whole": list(found.whole),
        "uncovered": list(found.uncovered),
        "as_stored": list(found.as_stored),
        "angles": list(found.angles),
        "wide": list(found.wide),
        "undrawn": list(found.undrawn),
        "crossed": list(found.crossed),
        "derived": list(found.derived),
        "sentinels": {
            name: {"value": s.value, "count": s.count}
            | ({"more": [{"value": m.value, "count": m.count} for m in s.more]} if s.more else {})
            for name, s in found.sentinels.items()
        },
    }
