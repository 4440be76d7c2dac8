"""Convert a Python object to an open input: its kind by type, its values as variables, the rest as skeleton."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from baler_core.config import Config
from baler_core.data.bounds import BoundRules
from baler_core.data.objects import Columns
from baler_core.data.objects.advice import advice_for
from baler_core.data.variables import native_size
from baler_core.errors import ConfigError, DataError, PluginError
from baler_core.pipeline.choice import choice_sentence
from baler_core.pipeline.input import Input
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.object_kind import ObjectKind, type_name
from baler_core.plugin.published import install_for
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
# The plugins that take objects of other libraries, by the first part of a type's name.


def input_of_object(value: Any, config: Config, registry: Registry) -> Input:
    """Return an object in memory as something to compress.

    Raises
    ------
    DataError
        If it, or a variable of it, cannot be stored: the message names it and its type.
    ConfigError
        If a bound cannot be for its variable.
    """
    kind = _kind_of(value, registry)
    columns = Columns()
    stored = kind.take_apart(value, columns, config.variables)
    if not columns.arrays:
        raise DataError("there are no arrays to compress")
    package = registry.offer("object", kind.name).package
    schema = columns.schema({"kind": kind.name, "object": stored, "package": package})
    _refuse_inexact(columns, config.bounds)
    for warning in columns.warnings:
        logger.warning("%s", warning)
    chosen = choice_sentence(schema.names, columns.unchosen) if config.variables is not None else ""
    source = ArraySource(schema, columns.arrays, [*columns.warnings, *([chosen] if chosen else [])])
    size = sum(
        native_size(np.asarray(columns.arrays[v.name])) if v.is_text else schema.nbytes(v) for v in schema.variables
    )
    parts = type_name(value).split(".")
    return Input(registry.reader("python")(), source, ".".join(dict.fromkeys((parts[0], parts[-1]))), size)


def _kind_of(value: object, registry: Registry) -> ObjectKind:
    found = [kind for kind in _kinds(registry) if kind.takes(value)]
    if len(found) == 1:
        return found[0]
    name = type_name(value)
    if found:
        raise PluginError(f"several plugins accept objects of type {name}: disable one of them")
    known = ", ".join(sorted(offered for offered in registry.names("object")))
    library = name.split(".")[0]
    plugin = install_for("libraries", library)
    help_ = f": pip install '{plugin}'" if plugin and not _has(registry, library) else ""
    advice = advice_for(name)
    help_ += f": {advice}" if advice and not help_ else ""
    raise DataError(
        f"an object of type {name} cannot be compressed: wanted a path, or an object of a supported kind "
        f"({known}){help_}"
    )


def _has(registry: Registry, library: str) -> bool:
    return any(taken.startswith(f"{library}.") for kind in _kinds(registry) for taken in kind.types)


def _kinds(registry: Registry) -> Iterator[ObjectKind]:
    for offers in registry.offers["object"].values():
        yield from (cast(ObjectKind, offer.component()) for offer in offers)


def _refuse_inexact(columns: Columns, rules: BoundRules) -> None:
    """No error makes sense in codes of categories, even where they are named."""
    for pattern, bound in rules.rules:
        if pattern in columns.exact and bound.kind != "lossless":
            raise ConfigError(f"variable {pattern!r} holds categories, which can only be kept lossless, not {bound}")
