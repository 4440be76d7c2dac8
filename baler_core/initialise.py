"""A data file's schema → a commented configuration that lists its variables, with a bound proposed for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from baler_core.dataset import Schema, Variable
from baler_core.interfaces import Training
from baler_core.plugins import Registry

# With more variables than this, those that share a prefix get one bound together.
LISTED_ONE_BY_ONE = 40

_LOSSLESS = "lossless"
_ANGLE = re.compile(r"(^|[^a-z])(phi|eta)_?$", re.IGNORECASE)


def configuration_for(
    schema: Schema, registry: Registry, *, input_name: str, reader: str, options: Mapping[str, Any]
) -> str:
    """The text of a configuration for one file.

    Parameters
    ----------
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
        _bounds_section(schema),
        _model_section(registry),
        _output_section(registry),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def proposed_bound(variable: Variable) -> str:
    """The bound proposed for a variable, as the configuration writes it.

    Tables: three digits of every value. Fields and packed integers: a thousandth of the range, since values near zero
    mean little there. Angles: an absolute bound, for the same reason. What names other values (coordinates), counts,
    or is no number, is kept exactly.
    """
    kind = variable.numpy_dtype.kind
    packed = kind in "iu" and variable.scale != 1.0
    if not variable.is_numeric or not (kind == "f" or packed) or _is_coordinate(variable):
        return _LOSSLESS
    if len(variable.dims) > 1 or packed:
        return "{range: 1.0e-3}"
    if _ANGLE.search(variable.name) or variable.units.lower() in ("rad", "radian", "radians"):
        return "{abs: 1.0e-4}"
    return "{rel: 1.0e-3}"


def _is_coordinate(variable: Variable) -> bool:
    """A variable that names the positions along its own dimension: time, lat, lon."""
    return len(variable.dims) == 1 and variable.name.rpartition("/")[2] == variable.dims[0].rpartition("/")[2]


def _reader_section(reader: str, options: Mapping[str, Any]) -> list[str]:
    lines = ["# How the file is read, and which variables are taken (default: all). Patterns are shell-style."]
    if not options:
        return [*lines, f'# reader: {{name: {reader}, variables: ["*"]}}']
    written = "".join(f", {_quoted(key)}: {_quoted(value)}" for key, value in options.items())
    return [*lines, f"reader: {{name: {reader}{written}}}"]


def _bounds_section(schema: Schema) -> list[str]:
    """One bound for each variable, or for each prefix where there are many."""
    lines = [
        "# The error each variable may have; the first match wins. The forms are",
        "#   {abs: x}    at most x, in the variable's units",
        "#   {rel: x}    at most x times the value, point by point",
        "#   {range: x}  at most x times (largest - smallest value)",
        "#   {bits: n}   n bits of the mantissa are kept",
        "#   lossless    every bit is kept",
    ]
    if not schema.variables:
        return [*lines, "# bounds:", "#   the file holds no variables"]
    lines.append("bounds:")
    if len(schema.variables) <= LISTED_ONE_BY_ONE:
        return lines + _one_by_one(schema)
    return lines + _by_prefix(schema)


def _one_by_one(schema: Schema) -> list[str]:
    entries = [f"  {_pattern(v.name)}: {proposed_bound(v)}" for v in schema.variables]
    width = max(len(entry) for entry in entries)
    return [f"{entry:<{width}}  # {_described(v, schema)}" for entry, v in zip(entries, schema.variables, strict=True)]


def _by_prefix(schema: Schema) -> list[str]:
    lines = []
    for prefix, members in _families(schema.variables).items():
        lines += [f"  # {_plain(v.name)}: {_described(v, schema)}" for v in members]
        lines += _family_bounds(prefix, members)
    return lines


def _families(variables: Iterable[Variable]) -> dict[str, list[Variable]]:
    """Variables by all that stands before the first `_`, `/` or `.` of their names, that mark included."""
    families: dict[str, list[Variable]] = {}
    for variable in variables:
        match = re.match(r"[^_/.]+[_/.]", variable.name)
        families.setdefault(match[0] if match else variable.name, []).append(variable)
    return families


def _family_bounds(prefix: str, members: Sequence[Variable]) -> list[str]:
    """Bounds of the variables whose names begin with `prefix`: exceptions first, then the pattern for the others."""
    if len(members) == 1:
        return [f"  {_pattern(members[0].name)}: {proposed_bound(members[0])}"]
    counted = Counter(proposed_bound(v) for v in members)
    # An absolute bound suits the angles it was proposed for, and nothing else that begins alike.
    common = max(counted, key=lambda bound: (not bound.startswith("{abs"), counted[bound]))
    exceptions = [v for v in members if proposed_bound(v) != common]
    lines = [f"  {_pattern(v.name)}: {proposed_bound(v)}" for v in exceptions]
    return [*lines, f"  {_pattern(prefix, rest='*')}: {common}"]


def _described(variable: Variable, schema: Schema) -> str:
    """dtype, shape, units and label in one line."""
    shape = ", ".join(f"{dim}: {schema.sizes[dim]}" for dim in variable.dims)
    dtype = variable.dtype if variable.is_text else variable.numpy_dtype.name
    return _plain(" ".join(part for part in (dtype, f"({shape})", variable.units, variable.label) if part))


def _model_section(registry: Registry) -> list[str]:
    lines = ["# How it is compressed. auto measures which model is smallest for each group of variables. There is:"]
    for name in registry.names("model"):
        lines.append(f"#   {name}: {registry.offers['model'][name][0].component.summary}".rstrip(": "))
    lines += ["model: auto", "", "# How models that learn are trained; shown are the defaults.", "# training:"]
    for name, field in Training.model_fields.items():
        if field.default is not None:
            lines.append(f"#   {name}: {_number(field.default)}")
    return lines


def _output_section(registry: Registry) -> list[str]:
    names = ", ".join(registry.names("metric"))
    return [
        f"# What is computed from original and restored values, beside the largest error. There is: {names}",
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
