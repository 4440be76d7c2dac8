"""The rooms that `ablation.py` switches off one by one, from outside: what of the product is replaced, and its lines.

A room is switched off while a file is written and read, so that encoder and decoder agree. No compiled loop is replaced:
loops are given other numbers by the functions that call them, so that compiled code need not be made anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from unittest import mock

TABLE = "baler_core.builtin.models.table."
TRANSFORM = "baler_core.builtin.models.fields.transform."
PREDICTIVE = "baler_core.builtin.models.fields.predictive."
_Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Room:
    """A part of the product that can be switched off.

    Attributes
    ----------
    kinds
        "t" for tables, "f" for fields, "tf" for both, of which it is measured.
    parts
        What it is made of: modules, packages, or "module:name" of functions and classes.
    changes
        What is replaced while it is off: a function of the original for each "module:name".
    effort
        Of `auto` while it is off.
    """

    kinds: str
    parts: tuple[str, ...] = ()
    changes: Mapping[str, _Change] | None = None
    effort: str = "max"

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Be without the room inside the context."""
        with ExitStack() as stack:
            for place, change in (self.changes or {}).items():
                holder, name = _holder(place)
                stack.enter_context(mock.patch.object(holder, name, change(getattr(holder, name))))
            yield

    @property
    def lines(self) -> int:
        """Lines of its code."""
        return sum(map(_lines, self.parts))


def _holder(place: str) -> tuple[Any, str]:
    """What holds the attribute that `module:name` or `module:class.name` stands for, and the attribute."""
    module, _, path = place.partition(":")
    *outer, name = path.split(".")
    holder: Any = import_module(module)
    for part in outer:
        holder = getattr(holder, part)
    return holder, name


def _lines(part: str) -> int:
    module, _, name = part.partition(":")
    if name:
        holder, attribute = _holder(part)
        found = getattr(holder, attribute)
        return len(inspect.getsource(getattr(found, "py_func", found)).splitlines())
    found = import_module(module)
    if not hasattr(found, "__path__"):
        return len(inspect.getsource(found).splitlines())
    (folder,) = found.__path__
    from pathlib import Path

    return sum(len(path.read_text().splitlines()) for path in Path(folder).rglob("*.py"))


# ---- what takes the place of functions


def _always(value: Any) -> _Change:
    return lambda original: lambda *args, **options: value


def _value(value: Any) -> _Change:
    return lambda original: value


def _without_model(name: str) -> Room:
    def change(original: Any) -> Any:
        return lambda registry: [model for model in original(registry) if model.name != name]

    folder = TABLE if name == "table" else TRANSFORM if name == "transform" else PREDICTIVE
    kinds = "t" if name == "table" else "f"
    return Room(kinds, (folder.rstrip("."),), {"baler_core.plugin.registry:Registry.automatic_models": change})


def _table_effort(**options: Any) -> Mapping[str, _Change]:
    return {TABLE + "model:EFFORTS": lambda efforts: {**efforts, "max": replace(efforts["max"], **options)}}


def _no_parents(original: Any) -> Any:
    return lambda binned, *rest: dict.fromkeys(binned, ())


def _no_events(original: Any) -> Any:
    return lambda *args, **options: replace(original(*args, **options), events=None)


def _without_basis(original: Any) -> Any:
    return lambda sampled, times: original(sampled, [t for t in times if t != "basis"] or ["none"])


def _each_alone(original: Any) -> Any:
    return lambda members, effort: [plan for member in members for plan in original([member], effort)]


def _one_class(original: Any) -> Any:
    # one stencil for all, in the form that `fit_classes` returns where classes do not pay
    import numpy as np

    edge = import_module(PREDICTIVE + "stencil").LARGEST_EDGE
    return lambda sample, start, values: np.append(start, edge)[None]


def _near(original: Any) -> Any:
    return lambda *args, far, **options: original(*args, far=False, **options)


def _without_signs(original: Any) -> Any:
    return lambda *args: [rule for rule in original(*args) if not rule.for_sign]


def _first(original: Any) -> Any:
    return lambda *args: original(*args)[:1]


ROOMS: Mapping[str, Room] = {
    "everything in place": Room("tf"),
    "table as a whole": _without_model("table"),
    "networks": Room(
        "t",
        (TABLE + "network", TABLE + "schedule"),
        {TABLE + "mixing_plan:train_networks": _always({})},
    ),
    "relations": Room(
        "t",
        (TABLE + "relations.linear", TABLE + "relations.residuals", TABLE + "relations.search"),
        {
            TABLE + "planning:find_relations": _always({}),
        },
    ),
    "parents": Room("t", (TABLE + "relations.order",), {TABLE + "mixing_plan:choose_parents": _no_parents}),
    "order of columns": Room("t", (TABLE + "relations.order:entropy",), {TABLE + "planning:entropy": _always(0.0)}),
    "linear predictor": Room("t", (TABLE + "contexts.predictor",), _table_effort(predictor=False)),
    "networks and linear predictor": Room(
        "t",
        (TABLE + "network", TABLE + "schedule", TABLE + "contexts.predictor"),
        {TABLE + "mixing_plan:train_networks": _always({}), **_table_effort(predictor=False)},
    ),
    "references to earlier rows": Room(
        "t",
        (TABLE + "contexts.references", TABLE + "trials:ColumnTrial._with_references"),
        _table_effort(worth_of_reference=None),
    ),
    "event contexts": Room(
        "t",
        (TABLE + "events", TABLE + "planning:_find_pointer"),
        {TABLE + "sample:gather": _no_events, TABLE + "model:_events": _always(None)},
    ),
    "third mixer and correction": Room(
        "t",
        (TABLE + "contexts.mixers:decide", TABLE + "contexts.mixers:initial_corrections"),
        {TABLE + "streams:_THOROUGH": _value(1 << 30)},
    ),
    "predictive as a whole": _without_model("predictive"),
    "mixed coder of predictive": Room(
        "f",
        (PREDICTIVE + "contexts", PREDICTIVE + "coder:code_values", PREDICTIVE + "coder:code_slices"),
        {
            PREDICTIVE + "stencil_fit:MIXED": _value({"fast": 0, "balanced": 0, "max": 0}),
            PREDICTIVE + "stencil_fit:local_gain": _always(0.0),
        },
    ),
    "local fits of predictive": Room(
        "f",
        (PREDICTIVE + "local_fit", PREDICTIVE + "local_contexts", PREDICTIVE + "local_choice"),
        {PREDICTIVE + "stencil_fit:local_gain": _always(0.0)},
    ),
    "classes of stencils": Room("f", (PREDICTIVE + "classes",), {PREDICTIVE + "stencil_fit:fit_classes": _one_class}),
    "far neighbours": Room("f", (PREDICTIVE + "stencil_fit:_nearer",), {PREDICTIVE + "stencil_fit:samples_of": _near}),
    "transform as a whole": _without_model("transform"),
    "mixed coder of transform": Room(
        "f",
        (TRANSFORM + "coder", TRANSFORM + "contexts", TRANSFORM + "neighbourhood"),
        {TRANSFORM + "joint_fields:_MIXED": _value({"fast": 0, "balanced": 0, "max": 0})},
    ),
    "learned basis over time": Room("f", (TRANSFORM + "basis",), {TRANSFORM + "plan:choose_transform": _without_basis}),
    "sparing rounds": Room(
        "f",
        (TRANSFORM + "tile:_nearer",),
        {TRANSFORM + "search:_ROUNDS": _value({"fast": 0, "balanced": 0, "max": 0})},
    ),
    "fields coded together": Room(
        "f",
        (PREDICTIVE + "plan:_pays",),
        {TRANSFORM + "plan:_plans": _each_alone, PREDICTIVE + "plan:_pays": _always(False)},
    ),
    "choice of axes": Room(
        "f",
        ("baler_core.builtin.models.fields.layout:arrangements_of",),
        {TRANSFORM + "plan:arrangements_of": _first, PREDICTIVE + "plan:arrangements_of": _first},
    ),
    "header dictionary": Room(
        "tf",
        ("baler_core.format.header_dictionary",),
        {"baler_core.format.container:header_dictionary": _always(b"")},
    ),
    "keeping signs": Room(
        "f",
        ("baler_core.quantise.sign_flags",),
        {"baler_core.quantise.settle:rules_of": _without_signs},
    ),
    "max (balanced instead)": Room("tf", effort="balanced"),
    "max (fast instead)": Room("tf", effort="fast"),
}
"""By name; the first one is what others are compared with."""

REUSED: Mapping[str, Room] = {
    "by reference": Room("tf"),
    "shared modes": Room(
        "f",
        (TRANSFORM + "shared_modes",),
        {TRANSFORM + "prior:Prior.shared_modes": _always(None)},
    ),
    "rows that prime counters": Room(
        "t",
        (TABLE + "warm_start",),
        {TABLE + "warm_start:WarmStart.where_it_pays": lambda original: lambda warm, rows, events: type(warm)()},
    ),
}
"""Rooms of models by reference: the first one is what others are compared with, and itself off means learned anew."""
