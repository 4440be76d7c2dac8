"""Restore a file: header, blocks, models, settled values, corrections, digests (file_format.md)."""

from __future__ import annotations

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
from reference.fields import decode_group
from reference.predictive import decode_predictive
from reference.reading import Bytes, Damaged
from reference.scalar import Shapes, decode_exact, decode_scalar
from reference.settling import correct, make_zeros, settle
from reference.table import decode_table
from reference.tolerances import Variable, variables


@dataclass(frozen=True)
class Model:
    """The model that coded a group: its options, its state, and the rows of the group's events if these are known."""

    name: str
    options: dict[str, Any]
    state: dict[str, np.ndarray]
    lengths: np.ndarray | None


def _table(streams: dict[str, bytes], own: list[Variable], shapes: Shapes, model: Model) -> list[np.ndarray]:
    if set(model.state) != {"plan"}:
        raise Damaged("this decoder knows no tables that begin with rows of other files")
    plan, effort = model.state["plan"].astype("u1").tobytes(), model.options.get("effort", "max")
    return decode_table(streams, own, shapes, plan, effort, model.lengths)


MODELS: dict[str, Callable[[dict[str, bytes], list[Variable], Shapes, Model], list[np.ndarray]]] = {
    "exact": lambda streams, own, shapes, _: decode_exact(streams, own, shapes),
    "scalar": lambda streams, own, shapes, _: decode_scalar(streams, own, shapes),
    "predictive": lambda streams, own, shapes, _: decode_group(streams, own, shapes, decode_predictive),
    "table": _table,
}
# What numpy and the libraries raise for bytes that make no sense.
NONSENSE = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, RecursionError, MemoryError),
    *(struct.error, lzma.LZMAError, zlib.error, zstandard.ZstdError),
)


def restore(data: bytes, *, limit: int = 1 << 30) -> dict[str, np.ndarray]:
    """The variables of a file, their blocks joined.

    Parameters
    ----------
    limit
        Bytes that a block may take in memory.
    """
    try:
        with np.errstate(all="ignore"):
            return _restore(data, limit)
    except NONSENSE as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _restore(data: bytes, limit: int) -> dict[str, np.ndarray]:
    parts, old = sections(data), version(data) == 1
    head = header(parts[-1])
    known, (first, runs) = variables(head), head["blocks"]
    if head["preprocess"] or "trained" in head:
        raise Damaged("this decoder knows no preprocessors, and no models of other files")
    pieces: dict[str, list[np.ndarray]] = {}
    for number, (groups, models, sizes) in enumerate(unrun(runs, len(parts))):
        section, before = parts[first + number], 4 * len(groups)
        body, stored = (section[:-8], section[-8:]) if old else (section[before:], section[:before])
        streams = block_streams(body, limit, together=old)
        digests, done = [b""] * len(groups), dict[str, np.ndarray]()
        if not len(groups) == len(models) == len(streams):
            raise Damaged("a block has other groups than the header says")
        for place in _counts_first(head, known, groups):
            _, ranges, components, states = head["groups"][groups[place]]
            own = [known[number] for number in unranged(ranges, len(known))]
            shapes = [tuple(_length(sizes[dim]) for dim in variable.dims) for variable in own]
            if sum(math.prod(s) * v.dtype.itemsize for s, v in zip(shapes, own, strict=True)) > limit:
                raise Damaged("a block takes more memory than is allowed")
            (name, options, *_), learned = components[models[place]], state(parts[states[models[place]]], limit)
            counts = head["counts"].get(own[0].dims[0], "") if own[0].dims else ""
            model = Model(name, options, learned, done.get(counts))
            values, digests[place] = _group(model, streams[place], own, shapes)
            done |= {variable.name: array for variable, array in zip(own, values, strict=True)}
        for name, array in done.items():
            pieces.setdefault(name, []).append(array)
        right = block_digest(number, digests) if old else b"".join(stored_digest(number, one) for one in digests)
        if stored != right:
            raise Damaged(f"block {number} restores to something else than was written")
    return {name: np.concatenate(arrays) if arrays[0].ndim else arrays[0] for name, arrays in pieces.items()}


def _length(size: Any) -> int:
    if type(size) is not int or size < 0:
        raise Damaged(f"a dimension of length {size!r}")
    return size


def _counts_first(head: Any, known: list[Variable], groups: list[int]) -> list[int]:
    """The places of groups, those of jagged dimensions last."""
    first = [known[head["groups"][group][1][0][0]] for group in groups]
    jagged = [bool(variable.dims) and variable.dims[0] in head["counts"] for variable in first]
    return sorted(range(len(groups)), key=lambda place: jagged[place])


def _group(
    model: Model, streams: dict[str, bytes], own: list[Variable], shapes: Shapes
) -> tuple[list[np.ndarray], bytes]:
    """The restored values of a group, and its digest."""
    values, exact = decoded_group(model, streams, own, shapes)
    return values, group_digest(streams.get("!", b""), exact)


def decoded_group(
    model: Model, streams: dict[str, bytes], own: list[Variable], shapes: Shapes
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The restored values of a group, and those of its exact variables."""
    if model.name not in MODELS:
        raise Damaged(f"this decoder knows no model {model.name!r}")
    own = _with_steps(streams.get("&", b""), own)
    decoded = MODELS[model.name](streams, own, shapes, model)
    values = [np.array(array, order="C") for array in decoded]
    settle(streams.get("~", b""), values, own)
    make_zeros(streams.get("0", b""), values, own)
    correct(streams.get("!", b""), values, own)
    return values, [array for array, variable in zip(values, own, strict=True) if variable.tolerance.kind == "exact"]


def _with_steps(data: bytes, own: list[Variable]) -> list[Variable]:
    """Tolerances with the steps of this block, where there is a limit on average."""
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
    return found
