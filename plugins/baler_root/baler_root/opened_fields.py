"""Put fields of an RNTuple that lie inside of others together, as uproot does: `v.x` and `v.k` are the record `v`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from baler_root.contents.forms import leaves, pruned
from baler_root.opened_branch import OpenBranch


def merged_fields(names: Sequence[str], branches: Mapping[str, OpenBranch]) -> dict[str, OpenBranch]:
    """Return fields at the top by their names, each with what was asked for of it alone."""
    inside: dict[str, list[str]] = {}
    for name in names:
        inside.setdefault(branches[name]._branch.key, []).append(name)
    found = {}
    for key, asked in inside.items():
        whole = branches[key]
        kept = {
            leaf.name
            for leaf in leaves(whole._branch.form, key)
            if any(leaf.name == name or leaf.name.startswith(f"{name}.") for name in asked)
        }
        form = None if key in asked else pruned(whole._branch.form, key, kept)
        found[key] = whole if form is None else OpenBranch(whole.tree, replace(whole._branch, form=form))
    return found
