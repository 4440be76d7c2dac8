"""Read the metadata of text-table columns: units, descriptions and roles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from baler_core.builtin.readers.csv.described import described
from baler_core.builtin.readers.csv.dialect import Dialect
from baler_core.builtin.readers.csv.numbers import is_missing
from baler_core.data.sides import exact_number
from baler_core.data.variables import Role
from baler_core.machine.records import dataclass

_UNITS = re.compile(r"\[([^\[\]]+)\]\s*$")
_VIZIER = re.compile(r"#\s*Column\s+(\S+)\s+\([^)]*\)\s*(.*?)\s*(?:\[ucd=([^\]]*)\])?\s*")
_WHOLE = re.compile(r"[+-]?\d{1,30}")
_LONGEST_HEADER = 1 << 20
# Words of the Virtual Observatory (UCD1+, and UCD1 in capitals), the first that fits.
_ROLES: tuple[tuple[str, Role], ...] = (
    ("stat.error", "uncertainty"),
    ("stat.stdev", "uncertainty"),
    ("ERROR", "uncertainty"),
    ("stat.weight", "weight"),
    ("meta.id", "identifier"),
    ("meta.record", "identifier"),
    ("meta.main", "identifier"),
    ("ID_", "identifier"),
    ("meta.code", "flag"),
    ("meta.flag", "flag"),
    ("CODE_", "flag"),
    ("meta.number", "count"),
    ("pos.eq.ra", "position"),
    ("pos.eq.dec", "position"),
    ("pos.galactic.l", "position"),
    ("pos.ecliptic.l", "position"),
    ("pos.earth", "position"),
    ("pos.az", "position"),
    ("POS_EQ_RA", "position"),
    ("POS_EQ_DEC", "position"),
    ("POS_GAL_L", "position"),
    ("time.epoch", "time"),
    ("time.start", "time"),
    ("time.end", "time"),
    ("TIME_DATE", "time"),
    ("TIME_EPOCH", "time"),
)


@dataclass(frozen=True)
class ColumnNote:
    """Metadata of one column, with the number that stands for "no value"; empty where there are none."""

    units: str = ""
    label: str = ""
    role: Role = ""
    reason: str = ""
    null: str = ""

    @property
    def missing(self) -> tuple[float, ...]:
        """The number for "no value", if there is one: an integer where no float equals it."""
        if not self.null:
            return ()
        return (exact_number(int(self.null) if _WHOLE.fullmatch(self.null) else float(self.null)),)


def column_notes(dialect: Dialect) -> list[ColumnNote]:
    """Return the metadata of each column: from its name, the rows below it, and the comments before the table."""
    said = _ecsv(dialect.preamble) or _vizier(dialect.preamble) or _of_fixed_width(dialect)
    notes = []
    for place, name in enumerate(dialect.names):
        note = said.get(name, ColumnNote())
        below = dialect.units[place] if place < len(dialect.units) else ""
        found = _UNITS.search(name)
        units = (
            note.units
            or ("" if is_missing(below) else below.strip("[]()"))
            or (found.group(1).strip() if found else "")
        )
        notes.append(replace(note, units=units))
    return notes


def role_of_ucd(ucd: str) -> Role:
    """Return the role of a column by its UCD; `measured` unless it must stay exact."""
    words = [word.strip() for word in ucd.split(";")]
    for known, role in _ROLES:
        if words[0] == known or words[0].startswith((known + ".", known + "_") if known[-1] != "_" else known):
            return role
    if words[0] == "time":
        return "time"
    return "measured" if words[0].startswith(("phot.", "phys.", "spect.", "em.", "pos.pm", "pos.parallax")) else ""


def _noted(units: str, label: str, ucd: str) -> ColumnNote:
    role = role_of_ucd(ucd) if ucd else ""
    return ColumnNote(units, label, role, f"UCD '{ucd}'" if role else "")


def _vizier(preamble: str) -> dict[str, ColumnNote]:
    """From the `#Column` lines of VizieR."""
    found = map(_VIZIER.fullmatch, preamble.splitlines())
    return {m.group(1): _noted("", m.group(2), (m.group(3) or "").strip()) for m in found if m}


def _of_fixed_width(dialect: Dialect) -> dict[str, ColumnNote]:
    """From the header of a table that tells where its columns stand."""
    said = described(dialect.preamble.splitlines(keepends=True)) if dialect.cuts else None
    if said is None:
        return {}
    told = zip(said.names, said.units, said.labels, said.nulls, strict=True)
    return {name: ColumnNote(units, label, null=null) for name, units, label, null in told}


def _ecsv(preamble: str) -> dict[str, ColumnNote]:
    """From the header of ECSV, which is YAML in comments."""
    lines = preamble.splitlines()
    if not any(re.match(r"# *%ECSV", line) for line in lines[:5]) or len(preamble) > _LONGEST_HEADER:
        return {}
    columns = _yaml("\n".join(line[2:] for line in lines if line.startswith("# ") and not line.startswith("# %")))
    listed = columns.get("datatype") if isinstance(columns, Mapping) else None
    return {
        str(column["name"]): _noted(str(column.get("unit", "")), str(column.get("description", "")), _ucd(column))
        for column in (listed if isinstance(listed, Sequence) else [])
        if isinstance(column, Mapping) and "name" in column
    }


def _ucd(column: Mapping[str, Any]) -> str:
    meta = column.get("meta")
    entries: list[Any] = list(meta) if isinstance(meta, list) else [meta]
    for entry in entries:
        # An ordered mapping of YAML comes as pairs.
        pairs = entry.items() if isinstance(entry, Mapping) else [entry] if isinstance(entry, tuple) else []
        for key, value in pairs:
            if str(key).lower() == "ucd":
                return str(value)
    return ""


def _yaml(text: str) -> Any:
    """A YAML header without what its tags stand for; None if it is none."""
    import yaml

    class Plain(yaml.SafeLoader):
        pass

    def plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return node.value

    Plain.add_multi_constructor("!", plain)
    try:
        return yaml.load(text, Plain)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError):
        # The header stays as it stands; only what it says of the columns is not known.
        return None
