"""Write a commented configuration that lists the variables of a schema, with a proposed bound for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from baler_core.data.variables import Schema, Variable
from baler_core.plugin.interfaces import Training
from baler_core.plugin.registry import Registry
from baler_core.suggest.proposal import LOSSLESS, UNCERTAINTIES, Proposal
from baler_core.suggest.proposals import proposals_for

if TYPE_CHECKING:
    import numpy as np

# With more variables than this, those that share a prefix get one bound together.
LISTED_ONE_BY_ONE = 40

_REST = ('  "*": lossless', "")
# So many names of a collection are told.
_LISTED = 8


def configuration_for(
    schema: Schema,
    registry: Registry,
    values: Mapping[str, np.ndarray],
    *,
    input_name: str,
    reader: str,
    options: Mapping[str, Any],
) -> str:
    """Return the text of a configuration for one file.

    Parameters
    ----------
    values
        The first values of the variables, by which bounds are proposed.
    input_name
        What `input` will say.
    reader
        Name of the reader that opened the file.
    options
        Reader options that were needed to open it; written down if there are any.
    """
    megabytes = sum(schema.nbytes(v) for v in schema.variables) / 1e6
    sections = [
        [
            f"# Configuration of baler for {_plain(input_name)}: {len(schema.variables)} variables, {megabytes:,.1f} MB.",
            "# Check it with 'baler check', run it with 'baler run'. Lines that begin with # are comments.",
            f"input: {_quoted(input_name)}",
        ],
        _reader_section(reader, options),
        _bounds_section(schema, proposals_for(schema, values)),
        _model_section(registry),
        _output_section(registry),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _reader_section(reader: str, options: Mapping[str, Any]) -> list[str]:
    lines = ["# How the file is read, and which variables are taken (default: all). Patterns are shell-style."]
    if not options:
        return [*lines, f'# reader: {{name: {reader}, variables: ["*"]}}']
    written = "".join(f", {_quoted(key)}: {_quoted(value)}" for key, value in options.items())
    return [*lines, f"reader: {{name: {reader}{written}}}"]


def _bounds_section(schema: Schema, proposals: Mapping[str, Proposal]) -> list[str]:
    """One bound for each variable, or for each collection where there are many."""
    lines = [
        "# The allowed error of each variable; the first match wins. The forms are",
        "#   {abs: x}    at most x, in the variable's units",
        "#   {rel: x}    at most x times the value, point by point",
        "#   {range: x}  at most x times (largest - smallest value)",
        "#   {bits: n}   n bits of the mantissa are kept",
        "#   lossless    every bit is kept",
        "# A loss is proposed only for measured quantities. Ids, times and positions lose digits only under their full names.",
    ]
    if not schema.variables:
        return [*lines, "# bounds:", "#   the file holds no variables"]
    entries = (
        _one_by_one(schema, proposals)
        if len(schema.variables) <= LISTED_ONE_BY_ONE
        else _by_collection(schema, proposals)
    )
    return [*lines, "bounds:", *_aligned(entries)]


def _aligned(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Keys and bounds, with their comments in a column of their own unless a name is very long."""
    width = min(60, max(len(entry) for entry, _ in entries))
    return [f"{entry:<{width}}  # {comment}" if comment else entry for entry, comment in entries]


def _one_by_one(schema: Schema, proposals: Mapping[str, Proposal]) -> list[tuple[str, str]]:
    entries = []
    for v in schema.variables:
        proposal = proposals[v.name]
        comment = _described(v, schema) + (f": {_plain(proposal.reason)}" if proposal.reason else "")
        entries.append((f"  {_pattern(v.name)}: {proposal.bound}", comment))
    return [*entries, _REST]


def _by_collection(schema: Schema, proposals: Mapping[str, Proposal]) -> list[tuple[str, str]]:
    """Collections of which something may be lost; all others are exact under the last pattern."""
    entries: list[tuple[str, str]] = []
    for prefix, members in _families(schema.variables).items():
        if any(proposals[v.name].is_lossy for v in members):
            entries += _of_collection(prefix, members, schema, proposals)
    return [*entries, _REST]


def _families(variables: Iterable[Variable]) -> dict[str, list[Variable]]:
    """Variables by all that stands before the first `_`, `/` or `.` of their names, that mark included."""
    families: dict[str, list[Variable]] = {}
    for variable in variables:
        match = re.match(r"[^_/.]+[_/.]", variable.name)
        families.setdefault(match[0] if match else variable.name, []).append(variable)
    return families


def _of_collection(
    prefix: str, members: Sequence[Variable], schema: Schema, proposals: Mapping[str, Proposal]
) -> list[tuple[str, str]]:
    """Bounds of the variables whose names begin with `prefix`: exceptions by full name, then one line for the others.

    Integers, booleans and text need no line: a pattern with wildcards leaves them exact.
    """
    if len(members) == 1:
        return _one_by_one(_part_of(members, schema), proposals)[:-1]
    counted = Counter(proposals[v.name].bound for v in members if proposals[v.name].is_lossy)
    # A bound relative to values suits others of the collection, too; an absolute one only what it was proposed for.
    common = max(counted, key=lambda bound: (not bound.startswith("{abs"), counted[bound]))
    if common.startswith("{abs"):
        common = LOSSLESS
    exceptions = [v for v in members if proposals[v.name].bound != common and _may_lose(v)]
    entries = [
        (f"  {_pattern(v.name)}: {proposals[v.name].bound}", _with_units(v, proposals[v.name])) for v in exceptions
    ]
    others = [v.name[len(prefix) :] for v in members if v not in exceptions and _may_lose(v)]
    if common == LOSSLESS:
        return entries
    kind = "uncertainties: " if common == UNCERTAINTIES else ""
    return [*entries, (f"  {_pattern(prefix, rest='*')}: {common}", _plain(kind + _listed(others)))]


def _may_lose(variable: Variable) -> bool:
    """Whether a pattern with wildcards could mean it: real numbers, packed or not."""
    return variable.is_numeric and (variable.numpy_dtype.kind == "f" or variable.is_packed)


def _with_units(variable: Variable, proposal: Proposal) -> str:
    return _plain(", ".join(part for part in (variable.units, proposal.reason) if part))


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _part_of(members: Sequence[Variable], schema: Schema) -> Schema:
    """A schema of some of the variables."""
    return replace(schema, variables=tuple(members))


def _described(variable: Variable, schema: Schema) -> str:
    """dtype, shape, units and label in one line."""
    shape = ", ".join(f"{dim}: {schema.sizes[dim]}" for dim in variable.dims)
    dtype = variable.dtype if variable.is_text else variable.numpy_dtype.name
    return _plain(" ".join(part for part in (dtype, f"({shape})", variable.units, variable.label) if part))


def _model_section(registry: Registry) -> list[str]:
    lines = ["# How the file is compressed. auto measures which model is smallest for each group of variables. Models:"]
    for name in registry.names("model"):
        lines.append(f"#   {name}: {registry.offers['model'][name][0].component.summary}".rstrip(": "))
    lines += ["model: auto", "", "# How models are trained; these are the defaults.", "# training:"]
    for name, field in Training.model_fields.items():
        if field.default is not None:
            lines.append(f"#   {name}: {_number(field.default)}")
    return lines


def _output_section(registry: Registry) -> list[str]:
    names = ", ".join(registry.names("metric"))
    return [
        f"# Metrics of original and restored values, besides the largest error. Available: {names}",
        "# metrics: [residual, response]",
        "",
        "# Where results go: the compressed file, the restored file, the report and its plots.",
        "output: results/",
    ]


def _number(value: object) -> str:
    """A default as the configuration writes it."""
    return f"{value:.1e}".replace("e-0", "e-") if isinstance(value, float) and value < 0.01 else str(value)


def _pattern(name: str, *, rest: str = "") -> str:
    """A key that matches exactly `name`, or what begins with it."""
    return _quoted(re.sub(r"([*?\[])", r"[\1]", name) + rest)


def _quoted(value: object) -> str:
    """A YAML scalar, in quotes unless it is a plain word: names come from files of others."""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if re.fullmatch(r"(\.\.?/|[A-Za-z_/])[A-Za-z0-9_./-]*", value) and value.lower() not in ("true", "false", "null"):
        return value
    return yaml.dump(value, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=1_000_000).strip()


def _plain(text: str) -> str:
    """Text fit for a comment: one line, printable."""
    return "".join(c if c.isprintable() else " " for c in text)
