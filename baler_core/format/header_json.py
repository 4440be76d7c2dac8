"""Convert the header of a .bal file to JSON without defaults, and read it back with every value checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.targets import TARGET_KINDS, Target
from baler_core.data.variables import Json, Schema, Variable
from baler_core.errors import FormatError
from baler_core.format.bounds_json import bound_to_json, bounds_from_json, tolerances_from_json, tolerances_to_json
from baler_core.format.derived_json import derived_from_json, derived_to_json, unheld_to_json
from baler_core.format.header import (
    BlockRecord,
    ComponentRecord,
    ErrorRecord,
    GroupRecord,
    Header,
    PreprocessRecord,
    TrainedRecord,
)
from baler_core.format.json_columns import count_of, ranges_of, unranged
from baler_core.format.order_json import order_from_json, order_to_json
from baler_core.format.variables_json import variable_to_json, variables_from_json

MOST_BLOCKS = 2**22

# ---- to JSON


def header_to_json(header: Header) -> Json:
    """Return the header as plain lists and dicts, short where defaults hold."""
    schema = header.schema
    dims = list(schema.sizes)
    return {
        "baler": header.version,
        "input": [header.input_name, header.input_bytes, header.input_file_bytes],
        "reader": _component_to_json(header.reader),
        "dims": [dims, [schema.sizes[dim] for dim in dims]],
        "counts": dict(schema.counts),
        "variables": [variable_to_json(variable, dims) for variable in schema.variables],
        "bounds": _runs([bound_to_json(bound) for bound in header.bounds]),
        "tolerances": _runs(tolerances_to_json(header.tolerances)),
        "preprocess": [
            [_component_to_json(p.component), list(p.variables), p.state_section] for p in header.preprocess
        ],
        "groups": [
            [g.kind, ranges_of(g.variables), [_component_to_json(m) for m in g.models], list(g.state_sections)]
            for g in header.groups
        ],
        "blocks": [header.first_block, _runs([[list(b.groups), list(b.models), dict(b.sizes)] for b in header.blocks])],
        "errors": _errors_to_json(header),
        "skeleton": dict(schema.skeleton),
        **_extras(header),
    }


def _extras(header: Header) -> dict[str, Json]:
    """Return what most headers have nothing of."""
    names = header.schema.names
    extras: dict[str, Json] = {}
    if header.trained is not None:
        places = [[group, section] for group, section in header.trained.sections.items()]
        extras["trained"] = [header.trained.name, header.trained.sha256, places]
    if header.shares:
        extras["shares"] = [_short(share) for share in header.shares]
    if header.attachments_section is not None:
        extras["attachments"] = header.attachments_section
    for name, counts in (("flips", header.flips), ("zeros", header.zeros)):
        if counts:
            extras[name] = [[names.index(variable), count] for variable, count in counts.items()]
    if header.target is not None:
        extras["target"] = [header.target.kind, header.target.value, header.target.factor]
    if header.means:
        extras["means"] = [[names.index(name), _short(mean)] for name, mean in header.means.items()]
    if header.left_out:
        extras["left_out"] = list(header.left_out)
    if header.elsewhere:
        extras["elsewhere"] = list(header.elsewhere)
    if header.kept_exact:
        extras["kept_exact"] = _kept_exact_to_json(header)
    if header.derived:
        extras["derived"] = [derived_to_json(record) for record in header.derived]
    if any(record.unheld is not None for record in header.derived):
        extras["derived_before"] = unheld_to_json(header.derived)
    if header.order is not None:
        extras["order"] = order_to_json(header.order, header.schema)
    if header.chunks:
        dims = list(header.schema.sizes)
        extras["chunks"] = [[dims.index(dim), length] for dim, length in header.chunks.items()]
    return extras


def _kept_exact_to_json(header: Header) -> Json:
    """Pairs [why in a few words, ranges of variables]: whole sentences would take more than some variables do."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(header.schema.names):
        if name in header.kept_exact:
            found.setdefault(re.split(r": | \(", header.kept_exact[name])[0], []).append(place)
    return [[why, ranges_of(places)] for why, places in found.items()]


def _errors_to_json(header: Header) -> Json:
    """Largest shares of what was allowed, in the order of the lossy variables, and largest errors where these differ.

    What is allowed everywhere alike tells the largest error from the share.
    """
    known = [
        (place, header.errors[v.name]) for place, v in enumerate(header.schema.variables) if v.name in header.errors
    ]
    return [
        ranges_of([place for place, _ in known]),
        [_short(e.largest) for place, e in known if not _tells_error(header.tolerances[place])],
        [_short(e.share) for _, e in known],
    ]


def _tells_error(tolerance: Tolerance) -> bool:
    """Whether the largest error follows from its share of the tolerance: blocks state no tolerances of their own."""
    return tolerance.kind == "abs" and tolerance.mean is None


def _short(number: float) -> float:
    """Two digits, rounded up, so that a stated error is never below the true one."""
    if number == 0 or not np.isfinite(number):
        return number
    from decimal import ROUND_CEILING, Decimal

    exact = Decimal(float(number))
    short = float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_CEILING))
    return min(short, float(np.finfo(np.float64).max))


def _component_to_json(record: ComponentRecord) -> Json:
    return [record.name, dict(record.options), record.package, record.version]


def _runs(records: list[Json]) -> list[Json]:
    """Equal neighbours as one record with a count."""
    runs: list[Json] = []
    for record in records:
        if runs and runs[-1][1] == record:
            runs[-1][0] += 1
        else:
            runs.append([1, record])
    return runs


# ---- from JSON: nothing that a stranger's file says is believed


def header_from_json(record: Json, sections: int = MOST_BLOCKS) -> Header:
    """Return the header, checked.

    Parameters
    ----------
    sections
        How many sections the file has, of which each block is one.

    Raises
    ------
    FormatError
        If anything in it is not as this version writes it.
    """
    try:
        header = _header(record, sections)
        check_header(header)
        _check_sections(header, sections)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, SyntaxError) as error:
        raise FormatError(f"the header is damaged ({type(error).__name__}: {error})") from error
    return header


def _header(record: Json, sections: int) -> Header:
    dims = [str(dim) for dim in record["dims"][0]]
    sizes = dict(zip(dims, (count_of(size) for size in record["dims"][1]), strict=True))
    variables = variables_from_json(record["variables"], dims)
    counts = {str(dim): str(name) for dim, name in record["counts"].items()}
    name, native, on_disk = record["input"]
    bounds = bounds_from_json(_unrun(record["bounds"], len(variables)))
    schema = Schema(variables, sizes, counts, dict(record["skeleton"]))
    tolerances = tolerances_from_json(_unrun(record["tolerances"], len(variables)), schema, bounds)
    return Header(
        version=str(record["baler"]),
        input_name=str(name),
        reader=_component(record["reader"]),
        schema=schema,
        bounds=bounds,
        tolerances=tolerances,
        preprocess=tuple(
            PreprocessRecord(_component(c), tuple(str(v) for v in names), count_of(section))
            for c, names, section in record["preprocess"]
        ),
        groups=_groups(record["groups"], len(variables)),
        blocks=tuple(_block(b) for b in _unrun(record["blocks"][1], min(sections, MOST_BLOCKS))),
        first_block=count_of(record["blocks"][0]),
        errors=_errors(record["errors"], variables, tolerances),
        input_bytes=count_of(native),
        input_file_bytes=count_of(on_disk),
        trained=_trained(record["trained"]) if "trained" in record else None,
        shares=tuple(float(share) for share in record.get("shares", ())),
        attachments_section=count_of(record["attachments"]) if "attachments" in record else None,
        left_out=tuple(str(sentence) for sentence in record.get("left_out", ())),
        elsewhere=tuple(str(sentence) for sentence in record.get("elsewhere", ())),
        kept_exact=_kept_exact(record.get("kept_exact", ()), variables),
        flips=_counts(record.get("flips", ()), variables),
        zeros=_counts(record.get("zeros", ()), variables),
        target=_target(record["target"]) if "target" in record else None,
        means={variables[count_of(place)].name: float(mean) for place, mean in record.get("means", ())},
        derived=derived_from_json(record.get("derived", ()), record.get("derived_before")),
        order=order_from_json(record["order"], dims, variables) if "order" in record else None,
        chunks={dims[count_of(dim)]: max(1, count_of(length)) for dim, length in record.get("chunks", ())},
    )


def _counts(record: Json, variables: Sequence[Variable]) -> dict[str, int]:
    return {variables[count_of(place)].name: count_of(count) for place, count in record}


def _errors(record: Json, variables: Sequence[Variable], tolerances: Sequence[Tolerance]) -> dict[str, ErrorRecord]:
    ranges, largest, shares = record
    places = unranged(ranges, len(variables))
    stated = iter(largest)
    errors = {}
    alike: dict[tuple[int, str], float] = {}
    for place, share in zip(places, map(float, shares), strict=True):
        variable, tolerance = variables[place], tolerances[place]
        if _tells_error(tolerance):
            key = id(tolerance), variable.dtype
            if key not in alike:
                alike[key] = float(replace(tolerance, fill=()).allowed(np.zeros(1, variable.numpy_dtype))[0])
            most = share * alike[key] * abs(variable.scale)
        else:
            most = float(next(stated, math.nan))
        errors[variable.name] = ErrorRecord(most, share)
    return errors


def _target(record: Json) -> Target:
    kind, value, factor = record
    if kind not in TARGET_KINDS or not (factor is None or 0 <= float(factor) < math.inf):
        raise ValueError(f"{record!r} is not a target")
    return Target(kind, float(value), None if factor is None else float(factor))


def _trained(record: Json) -> TrainedRecord:
    name, digest, places = record
    # Whoever wrote the file must not choose a place that is opened: only a name, looked for where the user says.
    bare = isinstance(name, str) and name not in ("", ".", "..") and len(name) < 256 and name.isprintable()
    if not bare or any(mark in name for mark in "/\\:"):
        raise ValueError(f"{name!r} is not the bare name of a file")
    if not isinstance(digest, str) or re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise ValueError(f"{digest!r} is no SHA-256 checksum")
    sections = {count_of(group): count_of(section) for group, section in places}
    if len(sections) != len(places) or not sections:
        raise ValueError("the groups that use trained models are not listed")
    return TrainedRecord(name, digest, sections)


def _component(record: Json) -> ComponentRecord:
    name, options, package, version = record
    return ComponentRecord(str(name), dict(options), str(package), str(version))


def _groups(records: Json, count: int) -> tuple[GroupRecord, ...]:
    if sum(count_of(length) for _, ranges, _, _ in records for _, length in ranges) > count:
        raise ValueError("groups name more variables than the file has")
    return tuple(_group(record, count) for record in records)


def _kept_exact(records: Json, variables: Sequence[Variable]) -> dict[str, str]:
    if sum(count_of(length) for _, ranges in records for _, length in ranges) > len(variables):
        raise ValueError("more variables are named than the file has")
    return {variables[n].name: str(why) for why, ranges in records for n in unranged(ranges, len(variables))}


def _group(record: Json, count: int) -> GroupRecord:
    kind, ranges, models, sections = record
    if kind not in ("table", "grid", "other"):
        raise ValueError(f"{kind!r} is not a kind of group")
    numbers = unranged(ranges, count)
    if not numbers or len(models) != len(sections) or not models:
        raise ValueError("a group points outside the file")
    return GroupRecord(
        kind, numbers, tuple(_component(m) for m in models), tuple(count_of(section) for section in sections)
    )


def _block(record: Json) -> BlockRecord:
    groups, models, sizes = record
    lengths = {str(dim): count_of(size) for dim, size in sizes.items()}
    return BlockRecord(tuple(count_of(g) for g in groups), tuple(count_of(m) for m in models), lengths)


def _unrun(runs: Json, limit: int) -> list[Json]:
    total = sum(count_of(length) for length, _ in runs)
    if total > limit:
        raise ValueError(f"{total} records where at most {limit} can be")
    return [record for length, record in runs for _ in range(length)]


def _check_sections(header: Header, sections: int) -> None:
    """Nothing is looked for outside the file."""
    named = [section for group in header.groups for section in group.state_sections]
    named += [step.state_section for step in header.preprocess]
    named += [header.first_block + len(header.blocks) - 1] if header.blocks else []
    named += [] if header.attachments_section is None else [header.attachments_section]
    if max(named, default=0) >= sections:
        raise ValueError(f"section {max(named)} is named where there are {sections}")


def check_header(header: Header) -> None:
    """Check that what belongs together fits together.

    Raises
    ------
    ValueError
        If it does not.
    """
    names = header.schema.names
    if len(set(names)) != len(names):
        raise ValueError("two variables have the same name")
    for jagged, counts in header.schema.counts.items():
        if jagged not in header.schema.sizes or counts not in names:
            raise ValueError(f"the jagged dimension {jagged!r} is not complete")
    members = [number for group in header.groups for number in group.variables]
    if len(set(members)) != len(members):
        raise ValueError("a variable is in two groups")
    for group in header.groups:
        if len({header.schema.variables[number].dims for number in group.variables}) != 1:
            raise ValueError("the variables of a group have different dimensions")
    if header.trained is not None and not (header.blocks and max(header.trained.sections) < len(header.groups)):
        raise ValueError("its trained models belong to no group")
    if header.shares and len(header.shares) != len(header.groups):
        raise ValueError("a trained model has no record of its size")
    if header.groups and len(header.tolerances) != len(names):
        raise ValueError("not every variable has a tolerance")
    for block in header.blocks:
        for place, model in zip(block.groups, block.models, strict=True):
            coded = header.groups[place]
            if model >= len(coded.models):
                raise ValueError("a block was coded by a model that its group does not have")
            header.layout(coded, block.sizes)
    for jagged in header.schema.sizes.keys() if header.blocks else ():
        if any(block.sizes.get(jagged, 0) > header.schema.sizes[jagged] for block in header.blocks):
            raise ValueError(f"a block is longer than the file along {jagged!r}")
