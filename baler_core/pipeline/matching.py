"""What the patterns of a configuration's bounds match in a file, what stays exact in spite of them, and what to tell of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from baler_core.config import Config
from baler_core.data.angles import angle_warnings
from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.patterns import matching_names, names_in_full, variable_meant
from baler_core.data.scales import with_scales
from baler_core.data.sentinels import Sentinel, sentinels_in
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Schema, Variable
from baler_core.errors import ConfigError, did_you_mean
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import bind_rules
from baler_core.pipeline.input import bounds_of, first_values, is_lossy_wildcard, kept_exact, open_input, roles_in
from baler_core.pipeline.wide_bounds import told_of_wide
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import Registry

_NAMED = 6
_MOST_HINTS = 3


@dataclass(frozen=True)
class PatternMatch:
    """One pattern of the bounds, and the variables whose bound it decides.

    Attributes
    ----------
    variables
        Those that no earlier pattern matches, in the file's order.
    lossy
        Those of them that get the bound; the others stay exact.
    hint
        The nearest names, if it matches nothing.
    is_name
        Whether it has no wildcards.
    """

    pattern: str
    bound: ErrorBound
    variables: tuple[str, ...]
    lossy: tuple[str, ...]
    hint: str = ""
    is_name: bool = False


ToldOfEdges: TypeAlias = Callable[[Schema, Sequence[ErrorBound], Mapping[str, np.ndarray]], Sequence[str]]


@dataclass(frozen=True)
class Matches:
    """What the bounds of a configuration mean for one file.

    Attributes
    ----------
    kept_exact
        Real numbers that are exact in spite of a lossy pattern with wildcards, each with the reason.
    whole
        Integers, booleans, text and others that a lossy pattern with wildcards matches and leaves exact.
    uncovered
        Variables that no pattern matches: they are exact.
    sentinels
        Lossy variables with what looks like missing values that nothing declares.
    angles
        What to say of relative bounds on angles, one sentence each.
    derived
        Derived quantities, with the variables that they are computed from.
    as_stored
        What is no variable, since it is kept byte for byte.
    wide
        What to say of bounds that are wider than the first values differ, one sentence each.
    undrawn
        What to say of patterns under `plots` that match nothing.
    crossed
        What to say of numbers at which values end and that restored ones could cross, one sentence each.
    """

    path: Path
    variables: int
    patterns: tuple[PatternMatch, ...]
    kept_exact: Mapping[str, str]
    whole: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()
    sentinels: Mapping[str, Sentinel] = field(default_factory=dict)
    angles: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    as_stored: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    undrawn: tuple[str, ...] = ()
    crossed: tuple[str, ...] = ()


def find_matches(path: Path, config: Config, registry: Registry, told_of_edges: ToldOfEdges) -> Matches:
    """Open an input and look up what the bounds of the configuration mean for it; reads first values at most.

    Parameters
    ----------
    told_of_edges
        Says by the variables, their bounds and first values which may cross the numbers at which they end.

    Raises
    ------
    BalerError
        If the file cannot be read, or a lossy bound names what has no error.
    """
    _, source = open_input(path, config, registry)
    with source:
        schema, rules = source.schema, config.bounds.among(source.schema.names)
        roles = roles_in(schema, lambda: source.blocks(config.block_bytes), rules)
        bounds = dict(zip(schema.names, bounds_of(schema, rules, roles), strict=True))
        exact = kept_exact(schema, rules, roles)
        stated = [bounds[name] for name in schema.names]
        if any(bound.formula for bound in stated):
            tolerances = [make_tolerance(bound, v) for bound, v in zip(stated, schema.variables, strict=True)]
            with_scales(schema, stated, tolerances, rules.places_of(schema.names))
        lossy_names = [name for name in schema.names if bounds[name].kind != "lossless"]
        first = first_values(lambda: source.blocks(config.block_bytes), lossy_names)
    found = Matches(path, len(schema.variables), _patterns(schema, rules, bounds, source), exact)
    return replace(
        found,
        whole=_left_whole(found.patterns, exact),
        uncovered=tuple(_decided(schema, rules)[""]),
        sentinels=sentinels_in(schema, first),
        angles=tuple(angle_warnings(schema.variables, stated)),
        derived=tuple(
            f"{one.rule}: from {', '.join(one.names)}" for one in bind_rules(config.derived, schema, registry)
        ),
        as_stored=tuple(source.as_stored),
        wide=tuple(told_of_wide(schema, first, stated)),
        undrawn=tuple(told_of_plots(config.plots, schema.names)),
        crossed=tuple(told_of_edges(schema, stated, first)),
    )


def _patterns(
    schema: Schema, rules: BoundRules, bounds: Mapping[str, ErrorBound], source: Source
) -> tuple[PatternMatch, ...]:
    """Each pattern with the variables whose bound it decides."""
    members_of = _decided(schema, rules)
    unmatched = set(rules.unmatched(schema.names)) - set(source.as_stored)
    return tuple(
        PatternMatch(
            *rule,
            tuple(members_of[rule[0]]),
            tuple(name for name in members_of[rule[0]] if bounds[name].kind != "lossless"),
            _hint(rule[0], schema, source.aliases) if rule[0] in unmatched else "",
            _is_name(rule[0], schema.names),
        )
        for rule in rules.rules
    )


def _left_whole(patterns: Sequence[PatternMatch], exact: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that are exact under a lossy pattern with wildcards, and no real numbers."""
    return tuple(
        name
        for match in patterns
        if match.bound.kind != "lossless"
        for name in match.variables
        if name not in match.lossy and name not in exact and not names_in_full(name, match.pattern)
    )


def _decided(schema: Schema, rules: BoundRules) -> dict[str, list[str]]:
    """The variables whose bound each pattern decides; under the empty pattern those that none matches."""
    rules = rules.among(schema.names)
    members: dict[str, list[str]] = {pattern: [] for pattern in ("", *(pattern for pattern, _ in rules.rules))}
    for name in schema.names:
        rule = rules.rule_for(name)
        members[rule[0] if rule is not None else ""].append(name)
    return members


def _hint(pattern: str, schema: Schema, aliases: Mapping[str, str]) -> str:
    """Which variables a pattern that matches nothing may mean."""
    bare = pattern.strip("*?")
    named = next((name for alias, name in aliases.items() if alias.casefold() == bare.casefold()), None)
    return did_you_mean(bare, schema.names) if named is None else f"It is called {named!r} here."


def refuse_unknown(source: Source, rules: BoundRules) -> None:
    """Refuse bounds that name what the file does not have; a pattern with wildcards may match nothing.

    Raises
    ------
    ConfigError
        With the nearest names.
    """
    schema = source.schema
    bounds = dict(rules.rules)
    unknown = [pattern for pattern in rules.unmatched(schema.names) if _is_name(pattern, schema.names)]
    known = [name for name in unknown if name in source.as_stored]
    if any(bounds[name].kind != "lossless" for name in known):
        raise ConfigError(
            f"the bounds name {listed(known)}, which the reader keeps byte for byte, as stored, so that nothing can be "
            "lost in it: leave it out, or write 'lossless'"
        )
    unknown = [name for name in unknown if name not in known]
    if not unknown:
        return
    if len(unknown) > _MOST_HINTS:
        holds = f"The input holds {listed(schema.names)}. 'baler init' proposes bounds for it"
        raise ConfigError(f"the bounds name {len(unknown)} variables that the input lacks: {listed(unknown)}. {holds}")
    said = " ".join(f"{name!r}. {_hint(name, schema, source.aliases)}" for name in unknown)
    raise ConfigError(
        f"the bounds name what the input does not have: {said} A pattern with a wildcard, as {unknown[0] + '*'!r}, may "
        "match nothing"
    )


def _is_name(pattern: str, names: Sequence[str]) -> bool:
    """Whether a pattern is meant as a name; brackets are no wildcards where names have some, as in `pt [GeV]`."""
    return not set("*?") & set(pattern) and ("[" not in pattern or any("[" in name for name in names))


def told_of(
    schema: Schema,
    rules: BoundRules,
    bounds: Sequence[ErrorBound],
    exact: Mapping[str, str],
    aliases: Mapping[str, str] | None = None,
) -> list[str]:
    """What a user must know of the bounds before a file is compressed, one sentence each.

    Parameters
    ----------
    bounds
        What they come to for each variable.
    exact
        Variables that are exact in spite of a pattern with wildcards, and why.
    aliases
        As of `Source`.
    """
    if not rules.rules:
        return ["no bounds are set, so every value is kept exactly: 'baler init DATA_FILE' proposes bounds"]
    sentences = _of_unmatched(schema, rules, aliases or {})
    sentences += _of_angles(schema, bounds)
    sentences += _of_bounds_without_loss(schema, rules, bounds)
    sentences += _of_types(schema, rules)
    errors = [name for name in exact_errors(schema, bounds) if not _is_meant_exact(name, rules.among(schema.names))]
    if errors:
        sentences.append(
            f"the errors in whose units bounds are stay exact, as no bound of theirs is stated: {listed(errors)}. "
            "'{rel: 0.05}' makes them several times smaller, and their values larger by 0.1 bit each"
        )
    if exact:
        sentences.append(
            f"exact in spite of a wildcard: {listed([f'{name} ({why})' for name, why in exact.items()])}. "
            f"A lossy bound on these must name them in full, as {next(iter(exact))!r}"
        )
    return sentences


def _is_meant_exact(name: str, rules: BoundRules) -> bool:
    """Whether `lossless` is stated under a variable's full name."""
    rule = rules.rule_for(name)
    return rule is not None and rule[1].kind == "lossless" and names_in_full(name, rule[0])


def _of_bounds_without_loss(schema: Schema, rules: BoundRules, bounds: Sequence[ErrorBound]) -> list[str]:
    """What to say of lossy bounds under which all variables are exact."""
    lossy = {name for name, bound in zip(schema.names, bounds, strict=True) if bound.kind != "lossless"}
    members_of = _decided(schema, rules)
    text = {variable.name for variable in schema.variables if variable.is_text}
    found = []
    for pattern, bound in rules.rules:
        members = [name for name in members_of[pattern] if name not in text]
        if bound.kind != "lossless" and members and lossy.isdisjoint(members):
            found.append(f"the bound for {pattern!r} loses nothing: all that it decides is exact: {listed(members)}")
    return found


def _of_types(schema: Schema, rules: BoundRules) -> list[str]:
    """What to say of real and complex numbers of types that no bound reaches, though a lossy pattern matches them."""
    numbers = [v for v in schema.variables if not v.is_text and not v.is_numeric and v.numpy_dtype.kind in "fc"]
    shown = [
        f"{v.name} ({v.numpy_dtype.name})" for v in numbers if is_lossy_wildcard(v.name, rules.among(schema.names))
    ]
    return [f"exact, since bounds are not for numbers of their types: {listed(shown)}"] if shown else []


def _of_angles(schema: Schema, bounds: Sequence[ErrorBound]) -> list[str]:
    """What to say of angles under `rel`: of the first, and how many more there are."""
    warned = angle_warnings(schema.variables, bounds)
    return [*warned[:1], *([f"so do {len(warned) - 1} more angles under rel"] if len(warned) > 1 else [])]


def exact_errors(schema: Schema, bounds: Sequence[ErrorBound]) -> list[str]:
    """Return the real numbers that formulas of bounds need and that are exact."""
    needed = {
        variable_meant(word, name, schema.names)
        for name, bound in zip(schema.names, bounds, strict=True)
        if bound.formula
        for word in parse_arithmetic(bound.formula).names
    }
    pairs = zip(schema.variables, bounds, strict=True)
    return [v.name for v, b in pairs if v.name in needed and b.kind == "lossless" and v.numpy_dtype.kind == "f"]


def _of_unmatched(schema: Schema, rules: BoundRules, aliases: Mapping[str, str]) -> list[str]:
    """What to say of patterns that match nothing; all in one sentence where they are many, or were made for another file."""
    unmatched = rules.unmatched(schema.names)
    stated = [pattern for pattern, _ in rules.rules if pattern != "*"]
    if len(unmatched) == len(stated) > 1:
        return [
            f"none of the {len(stated)} patterns of the bounds matches a variable of this file: they are "
            f"{listed(stated)}, and it holds {listed(schema.names)}. 'baler init' proposes bounds for it"
        ]
    if len(unmatched) > _NAMED:
        return [f"{len(unmatched)} of the {len(stated)} patterns of the bounds match no variable: {listed(unmatched)}"]
    return [
        f"the bound for {pattern!r} matches no variable. {_hint(pattern, schema, aliases)}" for pattern in unmatched
    ]


def told_of_plots(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """What to say of patterns of plots that match nothing, one sentence for all of them."""
    idle = [pattern for pattern in patterns if pattern != "*" and not matching_names([pattern], names)]
    if not idle:
        return []
    hint = did_you_mean(idle[0].strip("*?"), names)
    return [f"patterns under 'plots' that match no variable draw nothing: {listed([repr(p) for p in idle])}. {hint}"]


def told_of_sentinels(found: Mapping[str, Sentinel]) -> list[str]:
    """What to say of values that may stand for missing ones, one sentence for all variables."""
    if not found:
        return []
    said = listed([f"{name!r} ({sentinel})" for name, sentinel in found.items()])
    return [
        f"some values may stand for missing ones, so they are kept exactly, and no other becomes one: {said}. Nothing in the "
        "file says so: if a variable has more of them, state 'exact_at' beside its bound"
    ]


def listed(names: Sequence[str], *, most: int = _NAMED) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def told_of_angles(rules: BoundRules) -> list[str]:
    """Return what to say of relative bounds whose pattern names an angle."""
    return angle_warnings((Variable(pattern, "<f8", ()) for pattern, _ in rules.rules), (b for _, b in rules.rules))
