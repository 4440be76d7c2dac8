"""Word pydantic's errors for users: wanted, found, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from baler_core.config.yaml_nodes import KeyPath
from baler_core.errors import did_you_mean
from baler_core.plugin.interfaces import Training


def reworded(complaint: Mapping[str, Any], schema: type[BaseModel], *, also: Sequence[str] = ()) -> str:
    """Return the message for one of the errors that validating by `schema` gave.

    Parameters
    ----------
    also
        Keys that are right at the top level beside those of the schema.
    """
    path: KeyPath = complaint["loc"]
    if complaint["type"] == "extra_forbidden":
        return _unknown_key(path, schema, also)
    if complaint["type"] == "missing":
        return "missing: this key is required"
    message = str(complaint["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if not message.startswith("wanted"):
        message = f"wanted {message}"
    found = complaint["input"]
    return f"{message}, found {found!r}" if isinstance(found, str | int | float | None) else message


def _unknown_key(path: KeyPath, schema: type[BaseModel], also: Sequence[str]) -> str:
    """The nearest right key, or the section where this one belongs."""
    key = str(path[-1])
    if len(path) == 1 and "training" in schema.model_fields and key in Training.model_fields:
        return "unknown key here: it belongs under 'training:'"
    if tuple(path) == ("variables",) and "reader" in schema.model_fields:
        return "unknown key here: it belongs under 'reader:', as in 'reader: {variables: [...]}'"
    owner = _schema_at(schema, path[:-1])
    known = [*owner.model_fields, *(also if owner is schema else ())]
    return f"unknown key. {did_you_mean(key, known)}"


def _schema_at(schema: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The nested schema that `path` leads to, as far as it can be followed."""
    for part in path:
        field = schema.model_fields.get(str(part))
        annotation = field.annotation if field is not None else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            schema = annotation
    return schema
