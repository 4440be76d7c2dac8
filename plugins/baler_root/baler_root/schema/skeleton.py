"""Build the skeleton of a tree, the properties of branches beyond the schema, and the branches from both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from baler_core import Schema
from baler_root.contents.branches import Branch
from baler_root.contents.forms import Form, Leaf, List, Number, Text, from_json, leaves, to_json
from baler_root.contents.trees import Tree

# How titles that say nothing are usually made: of a branch's name, [counter], sizes and ROOT's letter for its type.
TITLES = ("%n%c%s/%t", "%n/%t", "%n", "%n%p", "")
LETTERS = {
    "b1": "O",
    "i1": "B",
    "u1": "b",
    "i2": "S",
    "u2": "s",
    "i4": "I",
    "u4": "i",
    "i8": "L",
    "u8": "l",
    "f4": "F",
    "f8": "D",
}


def make_skeleton(
    tree: Tree, branches: Sequence[Branch], schema: Schema, made_up: Sequence[str], class_name: str = "TTree"
) -> dict[str, Any]:
    """Return what is needed besides values and schema to write the tree again.

    Parameters
    ----------
    schema
        With any skeleton.
    made_up
        The counts variables that are no branches.
    class_name
        The C++ class of the tree.
    """
    skeleton: dict[str, Any] = {
        "kind": tree.kind,
        "tree": tree.name,
        "title": tree.title,
        "titles": [
            _usual_title([b for b in branches if isinstance(b.form, List) == jagged]) for jagged in (False, True)
        ],
        "made_up": _usual_counters(branches, schema, made_up),
    }
    if class_name not in ("TTree", "ROOT::RNTuple"):
        skeleton["class"] = class_name
        skeleton["fields"] = int(tree.tree.member("fNvar", none_if_missing=True) or 0)
    lists = [b for b in branches if b.counter]
    if sum(b.counter == "n" + b.key for b in lists) > len(lists) / 2:
        skeleton["own_counters"] = True
    described = {branch.key: _odd(branch, schema, skeleton) for branch in branches}
    return skeleton | {"odd": {key: found for key, found in described.items() if found}}


def _usual_title(branches: Sequence[Branch]) -> str:
    """The pattern that most titles of the branches follow."""
    return max(TITLES, key=lambda pattern: sum(_filled(pattern, b) == b.title for b in branches))


def _usual_counters(branches: Sequence[Branch], schema: Schema, made_up: Sequence[str]) -> dict[str, str]:
    """For each made-up counts variable the counter that ROOT needs for the first of the lists that it counts."""
    counters = dict.fromkeys(made_up, "")
    for branch in reversed(branches):
        outermost = [*_jagged(schema, next(leaves(branch.form, branch.key)).name)][-1:]
        if outermost and schema.counts[outermost[0]] in counters:
            counters[schema.counts[outermost[0]]] = branch.counter
    return counters


def _odd(branch: Branch, schema: Schema, skeleton: Mapping[str, Any]) -> dict[str, Any]:
    """What is not to be expected of a branch."""
    odd: dict[str, Any] = {}
    first = next(leaves(branch.form, branch.key))
    if first.name != branch.key or _form(schema, branch.key) != branch.form:
        odd["form"] = to_json(branch.form)
    if branch.counter != _counter(schema, skeleton, branch.key, first):
        odd["counter"] = branch.counter
    if branch.title != (schema[first.name].label or _title(skeleton["titles"], branch)):
        odd["title"] = branch.title
    if branch.leaf:
        odd["leaf"] = branch.leaf
    packed = branch.type.startswith(("Float16_t", "Double32_t"))  # of which the form shows integers
    if packed or ("string" in branch.type and isinstance(branch.form, Text)):
        odd["type"] = branch.type
    return odd


def branches_of(schema: Schema) -> list[Branch]:
    """Return the branches that a schema and its skeleton describe, in order.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError, IndexError
        If they do not fit together.
    """
    odd, made_up = schema.skeleton["odd"], set(schema.skeleton["made_up"])
    forms = {key: from_json(found["form"]) for key, found in odd.items() if "form" in found}
    key_of = {leaf.name: key for key, form in forms.items() for leaf in leaves(form, key)}
    keys = dict.fromkeys(key_of.get(name, name) for name in schema.names if name not in made_up)
    return [_branch(schema, key, forms[key] if key in forms else _form(schema, key), odd.get(key, {})) for key in keys]


def _branch(schema: Schema, key: str, form: Form, odd: Mapping[str, Any]) -> Branch:
    first = next(leaves(form, key))
    counter = odd.get("counter", _counter(schema, schema.skeleton, key, first))
    branch = Branch(key, "", odd.get("type", ""), form, counter)
    title = odd.get("title", schema[first.name].label or _title(schema.skeleton["titles"], branch))
    return Branch(key, title, branch.type, form, counter, odd.get("leaf", ""))


def _form(schema: Schema, name: str) -> Form:
    """What a branch of one variable holds."""
    variable = schema[name]
    form: Form = (
        Text() if variable.is_text else Number(variable.dtype, tuple(schema.sizes[d] for d in variable.dims[1:]))
    )
    for _ in _jagged(schema, name):
        form = List(form)
    return form


def _counter(schema: Schema, skeleton: Mapping[str, Any], key: str, leaf: Leaf) -> str:
    """The branch that is expected to hold the lengths of the outermost list of the branch `key`, around a leaf."""
    outermost = [*_jagged(schema, leaf.name)][-1:]
    if not outermost:
        return ""
    counts = schema.counts[outermost[0]]
    return str(skeleton["made_up"].get(counts, "n" + key if skeleton.get("own_counters") else counts))


def _title(patterns: Sequence[str], branch: Branch) -> str:
    """The title that a branch is expected to have, by the pattern of branches without lists, or of those with."""
    return _filled(patterns[isinstance(branch.form, List)], branch)


def _filled(pattern: str, branch: Branch) -> str:
    """A title of the given pattern."""
    form = branch.form.content if isinstance(branch.form, List) else branch.form
    dtype, shape = (form.dtype, form.shape) if isinstance(form, Number) else ("", ())
    parts = {
        "%n": re.sub(r"(\[\d+\])+$", "", branch.key).rpartition("/")[2].rpartition(".")[2],
        "%c": f"[{branch.counter}]" if branch.counter else "",
        "%p": f"[{branch.counter}_]" if branch.counter else "",
        "%s": "".join(f"[{size}]" for size in shape),
        "%t": LETTERS.get(np.dtype(dtype).str[1:], "") if dtype else "C",
    }
    return re.sub("%[ncpst]", lambda found: parts[found[0]], pattern)


def list_dimensions(schema: Schema, leaf: Leaf) -> list[str]:
    """Return the jagged dimensions of the lists around a leaf, outermost first."""
    return [*_jagged(schema, leaf.name)][::-1]


def _jagged(schema: Schema, name: str) -> Iterator[str]:
    """The jagged dimensions around a variable, innermost first."""
    seen: set[str] = set()
    dim = schema[name].dims[0]
    while dim in schema.counts and dim not in seen:
        seen.add(dim)
        yield dim
        dim = schema[schema.counts[dim]].dims[0]
