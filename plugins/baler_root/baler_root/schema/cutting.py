"""Describe a ROOT file that holds a part of another: some branches of one tree, or some of its events."""

from __future__ import annotations

from dataclasses import replace

from baler_core import Cut, DataError, Schema
from baler_root.contents.forms import from_json, leaves
from baler_root.schema.parts import join_parts, take_parts


def cut_tree(schema: Schema, whole: Schema) -> Cut:
    """Return the schema of a file with a single tree, written anew: names, titles and types are those of the original.

    Raises
    ------
    DataError
        If variables of several trees were chosen, or some parts of a branch without the others.
    """
    chosen = set(schema.names)
    parts = [part for part in take_parts(whole) if any(part.prefix + name in chosen for name in part.schema.names)]
    if len(parts) != 1:
        raise DataError("a part of a ROOT file holds one tree: choose variables of one (--variable 'Events/*')")
    (part,) = parts
    own, prefix = part.schema, part.prefix
    names = [name for name in own.names if prefix + name in chosen]
    skeleton = {
        key: value for key, value in own.skeleton.items() if key not in ("template", "prefix", "variables", "newer")
    }
    for key, found in own.skeleton["odd"].items():
        inside = {leaf.name for leaf in leaves(from_json(found["form"]), key)} if "form" in found else {key}
        missing = inside - set(names)
        if missing and inside & set(names):
            raise DataError(f"the branch {key!r} is cut only as a whole: choose {sorted(missing)[0]!r}, too")
    here = set(names)
    skeleton["odd"] = {key: found for key, found in own.skeleton["odd"].items() if _is_left(key, found, here)}
    skeleton["made_up"] = {name: counter for name, counter in own.skeleton["made_up"].items() if name in here}
    sizes = {dim: schema.sizes[prefix + dim if prefix + dim in schema.sizes else dim] for dim in own.sizes}
    cut = Schema(
        tuple(variable for variable in own.variables if variable.name in here),
        sizes,
        {dim: name for dim, name in own.counts.items() if name in here},
        skeleton,
    )
    file = {key: value for key, value in schema.skeleton.items() if key in ("file", "compression")}
    joined = join_parts([replace(part, schema=cut)], file, {})
    objects = "histograms and other objects of the file are left out" if schema.attachments else ""
    return Cut(joined, [objects] if objects else [])


def _is_left(key: str, found: dict[str, object], names: set[str]) -> bool:
    if "form" not in found:
        return key in names
    return bool({leaf.name for leaf in leaves(from_json(found["form"]), key)} & names)
