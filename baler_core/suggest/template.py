"""Write a commented configuration that lists the variables of a schema, with a proposed bound for each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from baler_core.data.roles import Finding, roles_of
from baler_core.data.variables import Schema, Variable
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Training
from baler_core.plugin.registry import Registry
from baler_core.suggest.collections import BoundLine, by_collection, full
from baler_core.suggest.kept import Kept, possible_quantities
from baler_core.suggest.own_errors import quoted
from baler_core.suggest.proposal import LOSSLESS, Proposal
from baler_core.suggest.proposals import proposals_for

if TYPE_CHECKING:
    import numpy as np

# With more variables than this, those that share a prefix get one bound together.
LISTED_ONE_BY_ONE = 40


@dataclass(frozen=True)
class StatedInput:
    """What a configuration says of its input.

    Attributes
    ----------
    name
        What `input` will say.
    reader
        Name of the reader that opened the file.
    options
        Reader options that were needed to open it; written down if there are any.
    as_stored
        What of it is no variable, since it is kept byte for byte.
    needs_reader
        Whether the configuration must name the reader, since the file's name would not choose it.
    output
        The folder of its results.
    """

    name: str
    reader: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    as_stored: Sequence[str] = ()
    needs_reader: bool = False
    output: str = "results/"


def configuration_for(
    schema: Schema,
    registry: Registry,
    values: Mapping[str, np.ndarray],
    stated: StatedInput,
    kept: Sequence[Kept] = (),
) -> str:
    """Return the text of a configuration for one file.

    Parameters
    ----------
    values
        The first values of the variables, by which bounds are proposed.
    kept
        Derived quantities that are to be kept.
    """
    megabytes = sum(schema.nbytes(v) for v in schema.variables) / 1e6
    sections = [
        [
            f"# Configuration of baler for {_plain(stated.name)}: {len(schema.variables)} variables, {megabytes:,.1f} MB.",
            "# Check it with 'baler check', run it with 'baler run'. Lines that begin with # are comments.",
            f"input: {_quoted(stated.name)}",
        ],
        _reader_section(stated),
        [*_bounds_section(schema, proposals_for(schema, values), roles_of(schema, values)), *_as_stored(stated)],
        *([_derived_section(kept)] if kept else _possible_section(possible_quantities(schema, registry, values))),
        _model_section(registry),
        _output_section(registry, stated.output),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _reader_section(stated: StatedInput) -> list[str]:
    lines = ["# How the file is read, and which variables are taken (default: all). Patterns are shell-style."]
    if not stated.options and not stated.needs_reader:
        return [*lines, f'# reader: {{name: {stated.reader}, variables: ["*"]}}']
    written = "".join(f", {_quoted(key)}: {_quoted(value)}" for key, value in stated.options.items())
    return [*lines, f"reader: {{name: {stated.reader}{written}}}"]


def _bounds_section(schema: Schema, proposals: Mapping[str, Proposal], roles: Mapping[str, Finding]) -> list[str]:
    """One bound for each variable, or for each collection where there are many."""
    lines = [
        "# The allowed error of each variable; the first match wins. The forms are",
        '#   {abs: x}    at most x, in the variable\'s units; {abs: "0.1 * e"} for what other variables say, value by value',
        "#   {rel: x}    at most x times the value, point by point",
        "#   {range: x}  at most x times (largest - smallest value)",
        "#   {noise: x}  at most x times the noise, measured in each row of an image and each plane of a cube",
        "#   {bits: n}   n bits of the mantissa are kept",
        "#   lossless    every bit is kept",
        "# A loss is proposed only for measured quantities. Ids, times and positions lose digits only under their full names.",
    ]
    if not schema.variables:
        return [*lines, "# bounds:", "#   the file holds no variables"]
    if len(schema.variables) > LISTED_ONE_BY_ONE:
        entries = by_collection(schema, proposals, roles)
    else:
        entries = [
            BoundLine(full(v.name), proposals[v.name].bound, _about(v, schema, proposals)) for v in schema.variables
        ]
    return [*lines, "bounds:", *_aligned([*entries, BoundLine("*", LOSSLESS, "")])]


def _as_stored(stated: StatedInput) -> list[str]:
    """Name what no bound reaches."""
    if not stated.as_stored:
        return []
    return [f"# Kept byte for byte, out of reach of bounds: {_plain(', '.join(stated.as_stored))}"]


def _about(variable: Variable, schema: Schema, proposals: Mapping[str, Proposal]) -> str:
    reason = proposals[variable.name].reason
    return _described(variable, schema) + (f": {reason}" if reason else "")


def _aligned(entries: Sequence[BoundLine]) -> list[str]:
    """Keys and bounds, with their comments in a column of their own unless a name is very long."""
    texts = [f"  {_quoted(entry.pattern)}: {entry.bound}" if entry.bound else "" for entry in entries]
    width = min(60, max(len(text) for text in texts))
    return [_line(text, _plain(entry.comment), width) for text, entry in zip(texts, entries, strict=True)]


def _line(text: str, comment: str, width: int) -> str:
    if not text:
        return f"  # {comment}"
    return f"{text:<{width}}  # {comment}" if comment else text


def _described(variable: Variable, schema: Schema) -> str:
    """dtype, shape, units and label in one line."""
    shape = ", ".join(f"{dim}: {schema.sizes[dim]}" for dim in variable.dims)
    dtype = variable.dtype if variable.is_text else variable.numpy_dtype.name
    return " ".join(part for part in (dtype, f"({shape})", variable.units, variable.label) if part)


def _derived_section(kept: Sequence[Kept]) -> list[str]:
    """What is computed from variables, and how far it may move."""
    lines = ["# What is computed from variables: held for every pair, event, cell or source by the restored values."]
    entries = [BoundLine(one.name, f"{{of: {quoted(one.formula)}, {one.bound}}}", one.reason) for one in kept]
    return [*lines, "derived:", *_aligned(entries)]


def _possible_section(possible: Sequence[Kept]) -> list[list[str]]:
    """What might be held, as comments; no section if nothing is known."""
    if not possible:
        return []
    first, *lines = _derived_section(possible)
    about = f"{first} Without these lines, nothing bounds its error."
    return [[about, *(f"# {line}" for line in lines)]]


def _model_section(registry: Registry) -> list[str]:
    lines = ["# How the file is compressed. auto measures which model is smallest for each group of variables. Models:"]
    for name in registry.names("model"):
        lines.append(f"#   {name}: {registry.offers['model'][name][0].component.summary}".rstrip(": "))
    lines += ["model: auto", "", "# How models are trained; these are the defaults.", "# training:"]
    for name, field in Training.model_fields.items():
        if field.default is not None:
            lines.append(f"#   {name}: {_number(field.default)}")
    return lines


def _output_section(registry: Registry, output: str) -> list[str]:
    names = ", ".join(registry.names("metric"))
    return [
        f"# Metrics of original and restored values, besides the largest error. Available: {names}",
        "# metrics: [residual, response]",
        "",
        "# Where results go: the compressed file, the restored file, the report and its plots.",
        f"output: {_quoted(output)}",
    ]


def _number(value: object) -> str:
    """A default as the configuration writes it."""
    return f"{value:.1e}".replace("e-0", "e-") if isinstance(value, float) and value < 0.01 else str(value)


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
