"""Join the schemas of the trees of a file into one, and take it apart again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baler_core import Schema


@dataclass(frozen=True)
class TreeSchema:
    """One tree within the schema of a file.

    Attributes
    ----------
    prefix
        What its variables are called by in front of their own names: `Events/` where there are several trees.
    schema
        Its own schema, with its own names.
    """

    prefix: str
    schema: Schema


def join_parts(parts: Sequence[TreeSchema], skeleton: Mapping[str, Any], attachments: Mapping[str, bytes]) -> Schema:
    """Return one schema of all trees; its skeleton lists theirs.

    Parameters
    ----------
    skeleton, attachments
        Of the file as a whole.
    """
    variables, trees = [], []
    sizes: dict[str, int] = {}
    counts: dict[str, str] = {}
    parcels = dict(attachments)
    for n, part in enumerate(parts):
        own = part.schema
        dims = {dim: _outer(dim, part.prefix) for dim in own.sizes}
        for variable in own.variables:
            names = tuple(dims[dim] for dim in variable.dims)
            variables.append(replace(variable, name=part.prefix + variable.name, dims=names))
        sizes |= {dims[dim]: size for dim, size in own.sizes.items()}
        counts |= {dims[dim]: part.prefix + name for dim, name in own.counts.items()}
        parcels |= {f"{n}/{name}": content for name, content in own.attachments.items()}
        is_shared = len(parts) > 1 or part.prefix  # others may have been left out
        share = {"prefix": part.prefix, "variables": len(own.variables)} if is_shared else {}
        trees.append({**own.skeleton, **share})
    return Schema(tuple(variables), sizes, counts, {**skeleton, "trees": trees}, parcels)


def take_parts(schema: Schema) -> list[TreeSchema]:
    """Return the trees that `join_parts` joined.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError, IndexError
        If the schema is damaged.
    """
    parts, start = [], 0
    trees = schema.skeleton.get("trees", [schema.skeleton])
    for n, skeleton in enumerate(trees):
        prefix = str(skeleton.get("prefix", ""))
        number = int(skeleton.get("variables", len(schema.variables)))
        chosen = schema.variables[start : start + number]
        if number < 0 or len(chosen) != number or not all(v.name.startswith(prefix) for v in chosen):
            raise ValueError("the variables of a tree are not there")
        start += number
        parts.append(TreeSchema(prefix, _own_schema(schema, n, prefix, [v.name for v in chosen], skeleton)))
    if start != len(schema.variables):
        raise ValueError("there are variables of no tree")
    return parts


def _own_schema(schema: Schema, n: int, prefix: str, names: Sequence[str], skeleton: Mapping[str, Any]) -> Schema:
    wanted = set(names)
    chosen = [variable for variable in schema.variables if variable.name in wanted]
    jagged = {dim: name for dim, name in schema.counts.items() if name in wanted}
    dims = {dim for variable in chosen for dim in variable.dims} | {*jagged}
    variables = [
        replace(v, name=v.name.removeprefix(prefix), dims=tuple(_inner(dim, prefix) for dim in v.dims)) for v in chosen
    ]
    sizes = {_inner(dim, prefix): size for dim, size in schema.sizes.items() if dim in dims}
    counts = {_inner(dim, prefix): name.removeprefix(prefix) for dim, name in jagged.items()}
    label = f"{n}/"
    own = {name.removeprefix(label): part for name, part in schema.attachments.items() if name.startswith(label)}
    return Schema(tuple(variables), sizes, counts, skeleton, own)


def _outer(dim: str, prefix: str) -> str:
    """A dimension's name beside those of other trees; fixed sizes (`[3]`) are the same in all of them."""
    return dim if dim.startswith("[") else prefix + dim


def _inner(dim: str, prefix: str) -> str:
    return dim if dim.startswith("[") else dim.removeprefix(prefix)
