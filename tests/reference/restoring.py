"""Restore a file: header, blocks, models, settled values, corrections, digests (file_format.md)."""

from __future__ import annotations

import hashlib
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zstandard

from reference.container import (
    block_digest,
    block_streams,
    group_digest,
    header,
    sections,
    state,
    stored_digest,
    unranged,
    unrun,
    version,
)
from reference.fields import DecodeFields, decode_group
from reference.own_tolerances import OwnTolerances
from reference.predictive import decode_predictive
from reference.preprocessing import Step, preprocessors, touched, undo
from reference.quotients import NoiseSteps, read_noise_steps, unscaled
from reference.reading import Bytes, Damaged
from reference.scalar import Shapes, decode_exact, decode_scalar
from reference.settling import correct, make_zeros, settle
from reference.table import decode_table
from reference.tolerances import Variable, variables
from reference.transform import decode_transform


@dataclass(frozen=True)
class Model:
    """The model that coded a group: its options and state; the rows of the group's events if known; tolerances."""

    name: str
    options: dict[str, Any]
    state: dict[str, np.ndarray]
    lengths: np.ndarray | None
    tolerances: OwnTolerances


def _fields(decode: DecodeFields) -> Decode:
    return lambda streams, own, shapes, model: decode_group(streams, own, shapes, model.state, model.tolerances, decode)


def _table(streams: dict[str, bytes], own: list[Variable], shapes: Shapes, model: Model) -> list[np.ndarray]:
    effort = model.options.get("effort", "max")
    return decode_table(streams, own, shapes, model.state, effort, model.lengths, model.tolerances)


Decode = Callable[[dict[str, bytes], list[Variable], Shapes, Model], list[np.ndarray]]
MODELS: dict[str, Decode] = {
    "exact": lambda streams, own, shapes, _: decode_exact(streams, own, shapes),
    "scalar": lambda streams, own, shapes, model: decode_scalar(streams, own, shapes, model.tolerances),
    "predictive": _fields(decode_predictive),
    "transform": _fields(decode_transform),
    "table": _table,
}
# What numpy and the libraries raise for bytes that make no sense.
NONSENSE = (
    *(
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        EOFError,
        RecursionError,
        MemoryError,
        SyntaxError,
    ),
    *(struct.error, lzma.LZMAError, zlib.error, zstandard.ZstdError),
)


def restore(data: bytes, *, trained: bytes = b"", limit: int = 1 << 30) -> dict[str, np.ndarray]:
    """The variables of a file, their blocks joined.

    Parameters
    ----------
    trained
        The file of trained models that it refers to, if it does.
    limit
        Bytes that a block may take in memory.
    """
    try:
        with np.errstate(all="ignore"):
            return _restore(data, trained, limit)
    except NONSENSE as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _restore(data: bytes, trained: bytes, limit: int) -> dict[str, np.ndarray]:
    parts = sections(data)
    head = header(parts[-1])
    file = File(head, variables(head), parts, version(data) == 1, _elsewhere(head, trained), limit)
    first, runs = head["blocks"]
    pieces: dict[str, list[np.ndarray]] = {}
    for number, (groups, models, sizes) in enumerate(unrun(runs, len(parts))):
        for name, array in _block(file, number, parts[first + number], groups, models, sizes).items():
            pieces.setdefault(name, []).append(array)
    return {name: np.concatenate(arrays) if arrays[0].ndim else arrays[0] for name, arrays in pieces.items()}


@dataclass
class File:
    """Header, variables, sections, whether it is of version 1, states in another file, and the memory for a block."""

    head: Any
    variables: list[Variable]
    parts: list[bytes]
    old: bool
    elsewhere: dict[int, bytes]
    limit: int

    def model(self, group: int, number: int, lengths: np.ndarray | None, tolerances: OwnTolerances) -> Model:
        _, _, components, states = self.head["groups"][group]
        stored = self.elsewhere[group] if number == 0 and group in self.elsewhere else self.parts[states[number]]
        name, options, *_ = components[number]
        return Model(name, options, state(stored, self.limit), lengths, tolerances)

    def members(self, group: int) -> list[Variable]:
        return [self.variables[n] for n in unranged(self.head["groups"][group][1], len(self.variables))]


def _block(
    file: File, number: int, section: bytes, groups: list[int], models: list[int], sizes: Any
) -> dict[str, np.ndarray]:
    """The restored variables of a block."""
    before = 4 * len(groups)
    body, stored = (section[:-8], section[-8:]) if file.old else (section[before:], section[:before])
    streams = block_streams(body, file.limit, together=file.old)
    digests, done = [b""] * len(groups), dict[str, np.ndarray]()
    if not len(groups) == len(models) == len(streams):
        raise Damaged("a block has other groups than the header says")
    tolerances = OwnTolerances({variable.name: variable for variable in file.variables})
    steps = preprocessors(file.head, file.parts, file.limit)
    for place in _order(file, tolerances, groups):
        own = file.members(groups[place])
        shapes = [tuple(_length(sizes[dim]) for dim in variable.dims) for variable in own]
        if sum(math.prod(s) * v.dtype.itemsize for s, v in zip(shapes, own, strict=True)) > file.limit:
            raise Damaged("a block takes more memory than is allowed")
        counts = file.head["counts"].get(own[0].dims[0], "") if own[0].dims else ""
        known = replace(tolerances, before=done)
        model = file.model(groups[place], models[place], done.get(counts), known)
        values, digests[place] = restored_group(model, streams[place], own, shapes, steps)
        done = done | {variable.name: array for variable, array in zip(own, values, strict=True)}
    right = block_digest(number, digests) if file.old else b"".join(stored_digest(number, one) for one in digests)
    if stored != right:
        raise Damaged(f"block {number} restores to something else than was written")
    return done


def _elsewhere(head: Any, trained: bytes) -> dict[int, bytes]:
    """The states that are in a file of trained models, by group."""
    if "trained" not in head:
        return {}
    name, digest, places = head["trained"]
    if hashlib.sha256(trained).hexdigest() != digest:
        raise Damaged(f"this file needs the trained models of {name!r}, SHA-256 {digest}")
    parts = sections(trained)
    return {group: parts[section] for group, section in places}


def _length(size: Any) -> int:
    if type(size) is not int or size < 0:
        raise Damaged(f"a dimension of length {size!r}")
    return size


def _order(file: File, tolerances: OwnTolerances, groups: list[int]) -> list[int]:
    """The places of groups, each after its counts and after those that its tolerances follow from."""
    members = [{variable.name for variable in file.members(group)} for group in groups]
    needs = [set[str]().union(*(tolerances.ancestors(name) for name in names)) - names for names in members]
    for place, group in enumerate(groups):
        dims = file.members(group)[0].dims
        counts = file.head["counts"].get(dims[0], "") if dims else ""
        needs[place] |= {counts} & set[str]().union(*members) - members[place]
    found: list[int] = []
    while len(found) < len(groups):
        known = set[str]().union(*(members[place] for place in found))
        ready = [place for place in range(len(groups)) if place not in found and needs[place] <= known]
        if not ready:
            raise Damaged("groups follow from each other in a circle")
        found.append(ready[0])
    return found


def restored_group(
    model: Model, streams: dict[str, bytes], own: list[Variable], shapes: Shapes, steps: list[Step]
) -> tuple[list[np.ndarray], bytes]:
    """The restored values of a group, and its digest."""
    if model.name not in MODELS:
        raise Damaged(f"this decoder knows no model {model.name!r}")
    decode, (own, noise) = MODELS[model.name], _with_steps(streams.get("&", b""), own, shapes)
    names = {variable.name for variable in own}
    apart = all(v.tolerance.kind == "each" and not model.tolerances.ancestors(v.name) & names for v in own)
    if apart:
        seen = [replace(variable, form="<f8") for variable in own]
        quotients = decode(streams, seen, shapes, model)
        values = unscaled(quotients, own, noise, model.tolerances, streams.get("%", b""))
    else:
        seen = [replace(v, form="<f8") if touched(steps, v) else v for v in own]
        decoded = decode(streams, seen, shapes, model)
        values = [np.array(undo(steps, v, array), order="C") for v, array in zip(own, decoded, strict=True)]
    plain = [replace(v, tolerance=replace(v.tolerance, zero=v.tolerance.zero + 0.0)) for v in own]
    old, zeros = streams.get("~", b""), streams.get("0", b"")
    settle(old or streams.get("+", b""), values, own if old else plain)
    make_zeros(zeros or streams.get("z", b""), values, own if zeros else plain)
    corrections = streams.get("!", b"")
    correct(corrections, values, own)
    exact = [array for array, variable in zip(values, own, strict=True) if variable.tolerance.kind == "exact"]
    return values, group_digest(corrections, exact)


def _with_steps(data: bytes, own: list[Variable], shapes: Shapes) -> tuple[list[Variable], dict[str, NoiseSteps]]:
    """Tolerances with the steps of this block, where there is a limit on average; and the steps of noise."""
    stream, found = Bytes(data), []
    for variable in own:
        tolerance = variable.tolerance
        if tolerance.average and tolerance.kind != "exact":
            step = stream.double()
            if not 0 <= step < math.inf:
                raise Damaged(f"a step of {step}")
            if step == 0:
                tolerance = replace(tolerance, kind="exact", value=0.0)
            elif tolerance.kind == "free":
                kind = "rel" if tolerance.average == "mean_rel" else "abs"
                tolerance = replace(tolerance, kind=kind, value=step)
            else:
                tolerance = replace(tolerance, value=min(step, tolerance.value))
        found.append(replace(variable, tolerance=tolerance))
    pairs = zip(own, shapes, strict=True)
    noisy = [(v, shape) for v, shape in pairs if v.tolerance.kind == "each" and not v.tolerance.formula]
    noise = {variable.name: read_noise_steps(stream, shape) for variable, shape in noisy}
    if stream.left:
        raise Damaged("a block states more steps than its variables have")
    return found, noise
