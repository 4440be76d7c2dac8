"""Judge the loss of each variable, in a word and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from baler_core.data.patterns import matching_names
from baler_core.evaluate.evidence import Evidence
from baler_core.evaluate.results import DerivedResult, Results, VariableResult

Level = Literal["good", "fair", "bad"]
_ORDER: Mapping[str, int] = {"bad": 0, "fair": 1, "good": 2}
# RMS residual / noise: beyond the second it is the error that is seen and not the noise.
_NOISE_FAIR, _NOISE_BAD = 0.5, 1.0
# Differences of cumulative distributions.
_DISTANCE_FAIR, _DISTANCE_BAD = 0.02, 0.05
# Mean residual of a part of the values or of the plane, as a part of the allowed error.
_BIAS = 0.25
_LOST_BAD = 0.01
# Where all values are above 0, so many that become 0 are seen in a logarithm, and in a count of dry days.
_EMPTIED = 0.01
# So many exact zeros have a meaning.
_MANY_ZEROS = 0.05


def judged(results: Results, evidence: Mapping[str, Evidence]) -> Results:
    """Return the results with a verdict on every variable."""
    failed = {name: one.name for one in results.derived if one.violations for name in one.inputs}
    variables = tuple(_judged(v, evidence.get(v.name), failed.get(v.name, "")) for v in results.variables)
    return replace(results, variables=variables)


def _judged(variable: VariableResult, evidence: Evidence | None, failed: str) -> VariableResult:
    if variable.changed == 0:
        return replace(variable, level="good", words="exact")
    found = [*_by_bound(variable, failed), *(_by_evidence(evidence) if evidence is not None else ())]
    if found:
        level = min((level for level, _ in found), key=_ORDER.__getitem__)
        first = sorted(found, key=lambda one: _ORDER[one[0]])
        return replace(variable, level=level, words="; ".join(words for _, words in first))
    return replace(variable, level="good", words=_praise(variable, evidence))


def _by_bound(variable: VariableResult, failed: str) -> list[tuple[Level, str]]:
    found: list[tuple[Level, str]] = []
    if variable.violations:
        found.append(("bad", f"{variable.violations:,} values lie outside the bound"))
    if variable.mask_changed:
        found.append(("bad", f"{variable.mask_changed:,} values changed between valid and missing"))
    if failed:
        found.append(("bad", f"the derived quantity {failed} moved too far"))
    if variable.merged and variable.distinct is not None:
        before, after = variable.distinct
        found.append(("fair", f"{before:,} distinct whole numbers became {after:,}"))
    if not variable.bound or variable.bound == "none":
        found.append(("fair", "no bound is known: errors are stated, not judged"))
    return found


def _by_evidence(evidence: Evidence) -> list[tuple[Level, str]]:
    found: list[tuple[Level, str]] = []
    noise = evidence.noise_share
    if noise is not None and noise > _NOISE_FAIR:
        what = "exceed the noise" if noise > _NOISE_BAD else "come near the noise"
        found.append(("bad" if noise > _NOISE_BAD else "fair", f"errors {what} ({noise:.2g} of it)"))
    if evidence.lost:
        level: Level = "bad" if evidence.lost > _LOST_BAD * evidence.sources else "fair"
        found.append((level, f"{evidence.lost:,} of {evidence.sources:,} sources above 5 sigma are lost"))
    distance = evidence.distance
    if distance > _DISTANCE_FAIR:
        found.append(("bad" if distance > _DISTANCE_BAD else "fair", f"distributions differ (KS {distance:.2g})"))
    zeros, changed, values = evidence.zeros
    if changed and zeros > _MANY_ZEROS * values:
        found.append(("fair", f"{changed:,} of {zeros:,} exact zeros became other numbers"))
    if evidence.all_positive and evidence.emptied > _EMPTIED * values:
        found.append(("fair", f"{evidence.emptied:,} of {values:,} values, all above 0, became exactly 0"))
    found += [("fair", words) for words in _uneven(evidence)]
    return found


def _uneven(evidence: Evidence) -> list[str]:
    """Sentences about residuals that are not the same everywhere."""
    words = []
    by_value = evidence.bias_by_value
    if by_value is not None and abs(by_value[2]) > _BIAS:
        low, high, mean = by_value
        side = "above" if mean > 0 else "below"
        words.append(
            f"restored values lie {side} the originals by {abs(mean):.0%} of the bound from {low:.3g} to {high:.3g}"
        )
    by_place = evidence.bias_by_place
    if by_place is not None and abs(by_place) > _BIAS:
        words.append(f"residuals have a bias of {abs(by_place):.0%} of the bound in parts of the plane")
    return words


def _praise(variable: VariableResult, evidence: Evidence | None) -> str:
    noise = evidence.noise_share if evidence is not None else None
    if noise is not None:
        return f"errors are {noise:.2g} of the noise"
    compared = ", distributions agree" if evidence is not None and evidence.has_distribution else ""
    return f"within the bound (up to {variable.share:.0%} of it){compared}"


def recorded(results: Results, patterns: Sequence[str] = ("*",)) -> list[str]:
    """Return the names of variables of which there is something to draw, where a pattern matches them."""
    drawn = {*results.drawings.distributions, *results.drawings.pictures}
    return matching_names(patterns, [v.name for v in results.variables if v.name in drawn])


def by_importance(results: Results, names: Sequence[str]) -> list[str]:
    """Return names with what a reader wants to see first: lossy variables, inputs of derived quantities, worst verdicts."""
    variables = {variable.name: variable for variable in results.variables}
    inputs = {name for one in results.derived for name in one.inputs}

    def key(name: str) -> tuple[bool, bool, int]:
        variable = variables[name]
        return variable.changed == 0, name not in inputs, _ORDER[variable.level]

    return sorted(names, key=key)


def overall(results: Results) -> Level:
    """Return the worst verdict."""
    if results.violations or any(one.violations for one in results.derived):
        return "bad"
    levels: list[Level] = [variable.level for variable in results.variables]
    return min(levels, key=_ORDER.__getitem__, default="good")


def summary(results: Results) -> str:
    """Return one line on all verdicts."""
    changed = [v for v in results.variables if v.changed]
    exact = len(results.variables) - len(changed)
    parts = []
    for level, what in (("bad", "bad"), ("fair", "to be looked at"), ("good", "good")):
        members = [v for v in changed if v.level == level]
        if members:
            worst = f" ({_named(members)})" if level != "good" else ""
            parts.append(f"{len(members)} {what}{worst}")
    if exact:
        parts.append(f"{exact} exact")
    parts += [_derived(one) for one in results.derived]
    return ", ".join(parts) or "nothing was compared"


def _named(members: Sequence[VariableResult]) -> str:
    first = members[0]
    more = f", and {len(members) - 1} more" if len(members) > 1 else ""
    return f"{first.name}: {first.words.partition(';')[0]}{more}"


def _derived(one: DerivedResult) -> str:
    return f"{one.name} {'moved too far' if one.violations else 'holds'}"
