"""Find the derived quantities to compare: those of a configuration, or those that a .bal file keeps."""

from __future__ import annotations

from collections.abc import Sequence

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.derived import DerivedRule
from baler_core.data.variables import Schema, leading_dimension
from baler_core.errors import BalerError
from baler_core.format.file_info import Info
from baler_core.format.header import DerivedRecord
from baler_core.pipeline.derived.quantities import Derived, bind_rules
from baler_core.plugin.registry import Registry


def quantities_of(
    schema: Schema, rules: Sequence[DerivedRule] | None, info: Info | None, registry: Registry
) -> tuple[tuple[Derived, ...], tuple[str, ...]]:
    """Return the quantities, and sentences about those of a .bal file that cannot be computed here.

    Raises
    ------
    ConfigError
        If a formula of the configuration does not fit the file.
    """
    if rules is not None:
        return bind_rules(rules, schema, registry), ()
    found: list[Derived] = []
    notes: list[str] = []
    for record in info.header.derived if info is not None else ():
        try:
            found += bind_rules([_rule(record, registry)], schema, registry)
        except BalerError as error:
            notes.append(
                f"the derived quantity {record.name!r} was kept to {record.share:.0%} of {record.bound}, and cannot be "
                f"computed again here: {error}"
            )
    return tuple(found), tuple(notes)


def _rule(record: DerivedRecord, registry: Registry) -> DerivedRule:
    formula = parse_arithmetic(record.formula, registry.functions())
    return DerivedRule(record.name, formula, record.bound, f"derived {record.name!r}", record.units)


def block_ends(info: Info) -> dict[str, list[int]]:
    """Return by leading dimension where the blocks of a .bal file end."""
    schema, ends = info.header.schema, dict[str, list[int]]()
    for block in info.header.blocks:
        places = [info.header.groups[group].variables[0] for group in block.groups]
        for dim in dict.fromkeys(leading_dimension(schema.variables[place], schema) for place in places):
            if dim is not None and dim in block.sizes:
                before = ends.get(dim, [0])[-1]
                ends.setdefault(dim, []).append(before + block.sizes[dim])
    return ends
