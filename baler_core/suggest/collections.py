"""Write the proposed bounds of many variables in few lines: one for each collection, with the exceptions before it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

import yaml

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.patterns import variable_meant
from baler_core.data.roles import Finding
from baler_core.data.variables import Schema, Variable
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import bounds_of
from baler_core.suggest.proposal import LOSSLESS, UNCERTAINTIES, Proposal

# So many names are told.
_LISTED = 8
# An ending that so many collections share gets a line of its own: `*_phi`.
_SHARED = 3


@dataclass(frozen=True)
class BoundLine:
    """A line of the bounds: a pattern, a bound, a comment; or a comment alone, where there is no bound."""

    pattern: str
    bound: str
    comment: str


def full(name: str) -> str:
    """Return a pattern that matches exactly a name."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def by_collection(schema: Schema, proposals: Mapping[str, Proposal], roles: Mapping[str, Finding]) -> list[BoundLine]:
    """Return lines that give every variable the bound proposed for it; what they do not mention is to be exact.

    Parameters
    ----------
    roles
        What variables are: a pattern with wildcards leaves some of them exact.
    """
    open_ = [v for v in schema.variables if _may_lose(v)]
    needed = _needed(schema, proposals)
    found = []
    for inside in (False, True):
        entries, done = _endings(open_, proposals)
        for prefix, members in _families((v for v in open_ if v.name not in done), inside=inside).items():
            if any(proposals[v.name].is_lossy for v in members):
                entries += _of_collection(prefix, members, proposals, needed)
        found.append([*_missed(entries, schema, proposals, roles), *entries])
    return min(found, key=len)


def _needed(schema: Schema, proposals: Mapping[str, Proposal]) -> set[str]:
    """Variables from which proposed bounds follow: those that stay exact are told by name."""
    found: set[str] = set()
    for name, proposal in proposals.items():
        formula = _parsed(proposal.bound).formula if proposal.bound.startswith('{abs: "') else ""
        for word in parse_arithmetic(formula).names if formula else ():
            found.add(str(variable_meant(word, name, schema.names)))
    return found


def _missed(
    entries: Sequence[BoundLine], schema: Schema, proposals: Mapping[str, Proposal], roles: Mapping[str, Finding]
) -> list[BoundLine]:
    """Lines for variables that the others give another bound than was proposed, by full name."""
    rules = [(entry.pattern, _parsed(entry.bound)) for entry in entries if entry.bound]
    found = bounds_of(schema, BoundRules(tuple(rules)), roles)
    return [
        BoundLine(full(v.name), proposals[v.name].bound, _with_units(v, proposals[v.name]))
        for v, bound in zip(schema.variables, found, strict=True)
        if _may_lose(v) and bound != _parsed(proposals[v.name].bound)
    ]


def _parsed(bound: str) -> ErrorBound:
    return ErrorBound.parse(yaml.safe_load(bound))


def _endings(variables: Sequence[Variable], proposals: Mapping[str, Proposal]) -> tuple[list[BoundLine], set[str]]:
    """One line for an ending that several collections share and that means the same in all of them, as `*_phi`."""
    groups: dict[tuple[str, str], list[str]] = {}
    for v in variables:
        head, mark, ending = v.name.rpartition("_")
        proposal = proposals[v.name]
        if (
            head
            and mark
            and re.fullmatch(r"\w+", ending)
            and proposal.is_lossy
            and proposal.bound.startswith("{abs: 1")
        ):
            groups.setdefault((ending, proposal.bound), []).append(v.name)
    entries: list[BoundLine] = []
    done: set[str] = set()
    for (ending, bound), names in groups.items():
        pattern = f"*_{ending}"
        others = [v for v in variables if v.name.endswith(f"_{ending}") and proposals[v.name].bound != bound]
        if len(names) >= _SHARED and len(others) <= len(names) // 2:
            reasons = ", ".join(dict.fromkeys(proposals[name].reason.partition(" (")[0] for name in names))
            entries.append(BoundLine(pattern, bound, f"{reasons}: {_listed([n.rpartition('_')[0] for n in names])}"))
            done |= set(names)
    return entries, done


def _families(variables: Iterable[Variable], *, inside: bool) -> dict[str, list[Variable]]:
    """Variables by what their names begin with: the outermost group (`flow/`), else up to the first `_` or `.` (`Jet_`).

    Parameters
    ----------
    inside
        Whether collections in a group stand for themselves (`Events/Jet_`).
    """
    families: dict[str, list[Variable]] = {}
    for variable in variables:
        group, slash, own = variable.name.rpartition("/") if inside else ("", "", variable.name)
        match = re.match(r"[^/]+/|[^_.]+[_.]", own)
        families.setdefault(group + slash + (match[0] if match else own), []).append(variable)
    # The first pattern that matches counts: one that would take the names of another stands behind it.
    ordered = sorted(families)
    wide = {name for name, following in pairwise(ordered) if following.startswith(name)}
    behind = sorted(families, key=lambda name: (name in wide, -len(name) if name in wide else 0))
    return {name: families[name] for name in behind}


def _of_collection(
    prefix: str, members: Sequence[Variable], proposals: Mapping[str, Proposal], needed: Collection[str]
) -> list[BoundLine]:
    """Bounds of the variables whose names begin with `prefix`: exceptions by full name, then one line for the others.

    Integers, booleans and text need no line: a pattern with wildcards leaves them exact.
    """
    lossy = [v for v in members if proposals[v.name].is_lossy]
    counted = Counter(proposals[v.name].bound for v in lossy if not proposals[v.name].bound.startswith("{abs"))
    # A bound relative to values suits others of the collection, too; an absolute one only what it was proposed for.
    common = max(counted, key=lambda bound: counted[bound]) if counted else LOSSLESS
    exact = len(members) - len(lossy)
    if counted and (counted[common] < 2 or counted[common] < exact):
        common = LOSSLESS
    listed = [v for v in members if proposals[v.name].bound != common or v.name in needed]
    entries = [BoundLine(full(v.name), proposals[v.name].bound, _with_units(v, proposals[v.name])) for v in listed]
    if common == LOSSLESS:
        return [*entries, *_exact(prefix, [v for v in members if v not in listed], proposals)]
    others = [v.name[len(prefix) :] for v in members if v not in listed]
    kind = "uncertainties: " if common == UNCERTAINTIES else ""
    finer = dict.fromkeys(proposals[v.name].reason for v in lossy if "; " in proposals[v.name].reason)
    why = f": {next(iter(finer))}" if len(finer) == 1 else ""
    return [*entries, BoundLine(full(prefix) + "*", common, kind + _listed(others) + why)]


def _exact(prefix: str, members: Sequence[Variable], proposals: Mapping[str, Proposal]) -> list[BoundLine]:
    """A comment about those that stay exact, if there are any."""
    why = Counter(_short(proposals[v.name].reason) for v in members if not proposals[v.name].is_lossy)
    if not why:
        return []
    told = ", ".join(f"{reason} ({number})" for reason, number in why.most_common(4))
    return [BoundLine("", "", f"{prefix}*: exact are {sum(why.values())} more: {told}")]


def _short(reason: str) -> str:
    """Return the kind of a reason to keep a variable exact."""
    if reason.endswith("missing values?"):
        return "with marks of missing values"
    if reason.startswith("stored "):
        return reason.partition(" already")[0]
    if reason.startswith("{"):
        return "where a loss would do harm"
    return reason.partition(":")[0].partition(" (")[0] or "others"


def _may_lose(variable: Variable) -> bool:
    """Whether a pattern with wildcards could mean it: real numbers, packed or not."""
    return variable.is_numeric and (variable.numpy_dtype.kind == "f" or variable.is_packed)


def _with_units(variable: Variable, proposal: Proposal) -> str:
    return ", ".join(part for part in (variable.units, proposal.reason) if part)


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
