"""Open the trees of a file one by one: which branches are variables, and what else must be kept of each tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baler_core import DataError, Schema
from baler_root.contents.branches import Branch, LeftOut, left_out_warnings, list_branches
from baler_root.contents.forms import leaves
from baler_root.contents.keys import Item
from baler_root.contents.patterns import PatternsOfTrees
from baler_root.contents.tree_selection import TreeChoice
from baler_root.contents.trees import Tree, UnreadableError, open_tree
from baler_root.schema.branch_selection import select
from baler_root.schema.damaged import without_damaged
from baler_root.schema.jagged import Collection
from baler_root.schema.plainness import odd_structure
from baler_root.schema.schema import build_schema
from baler_root.values.ntuple.reading import NTupleTemplate, make_ntuple_template
from baler_root.values.ntuple_types import restructured
from baler_root.values.template.reading import Template, make_template
from baler_root.values.template.tree_bytes import Unfamiliar


@dataclass(frozen=True)
class TreePart:
    """One tree that is kept.

    Attributes
    ----------
    prefix
        What its variables are called by in front of their own names.
    schema
        Of this tree, with its own names.
    where
        How messages call it.
    as_stored
        Branches that are no variables, and are kept byte for byte.
    """

    choice: TreeChoice
    prefix: str
    tree: Tree
    branches: Sequence[Branch]
    collections: Sequence[Collection]
    schema: Schema
    where: str
    template: Template | NTupleTemplate | None = None
    as_stored: Sequence[str] = ()


@dataclass(frozen=True)
class _OpenTree:
    """A tree that is looked at: why it was chosen, its key, itself, and how messages call it."""

    choice: TreeChoice
    item: Item
    tree: Tree
    where: str


class TreeReading:
    """The trees of a file as they are opened."""

    def __init__(
        self,
        path: Path,
        items: Sequence[Item],
        patterns: PatternsOfTrees,
        *,
        others: bool,
        allow_missing: bool = False,
    ) -> None:
        self.parts: list[TreePart] = []
        self.warnings: list[str] = []
        self.patterns = patterns
        self._path, self._items, self._others = path, items, others
        self._allow_missing = allow_missing
        self._damaged: dict[int, list[LeftOut]] = {}
        self._names: set[str] = set()
        self._opened: dict[int, tuple[Tree, list[Branch], list[LeftOut]]] = {}

    def settle_patterns(self, choices: Sequence[TreeChoice]) -> None:
        """Find what patterns mean among the variables of all trees, before the first is read."""
        names: list[str] = []
        for choice in choices if self.patterns.patterns is not None else ():
            try:
                _, readable, _ = self._listed(choice)
            except DataError:
                continue  # told when it is added
            if choice.prefix is not None:
                own = dict.fromkeys(leaf.name for b in readable for leaf in leaves(b.form, b.key))
                names += [choice.prefix + name for name in own]
        self.patterns.look_among(names)

    def _listed(self, choice: TreeChoice) -> tuple[Tree, list[Branch], list[LeftOut]]:
        """A tree, and its branches."""
        if choice.place not in self._opened:
            tree = open_tree(self._items[choice.place], self._path)
            readable, left_out = list_branches(tree)
            if self._allow_missing and choice.prefix is not None:
                readable, left_out, damaged = without_damaged(tree, readable, left_out)
                self._damaged[choice.place] = damaged
            self._opened[choice.place] = (tree, readable, left_out)
        return self._opened[choice.place]

    def add(self, choice: TreeChoice, *, must: bool) -> None:
        """Open a tree; one that cannot be kept is left out with a warning, or refused if it must be there."""
        item = self._items[choice.place]
        where = f"{self._path}, {item.path}" + (f";{item.cycle}" if choice.newer is not None else "")
        try:
            part = self._part(choice, item, where)
        except DataError as error:
            is_damage = isinstance(error, UnreadableError) and not self._allow_missing
            if must or choice.prefix == "" or self.patterns.patterns is not None or is_damage:
                raise
            self.warnings.append(f"{error}; this tree is left out")
            return
        if part is not None:
            self.parts.append(part)
            self._names |= {part.prefix + name for name in part.schema.names}

    def _part(self, choice: TreeChoice, item: Item, where: str) -> TreePart | None:
        tree, readable, left_out = self._listed(choice)
        patterns = self.patterns.patterns
        opened = _OpenTree(choice, item, tree, where)
        if choice.prefix is None:
            return self._carried(opened)
        prefix, wanted = choice.prefix, None
        names = [leaf.name for branch in readable for leaf in leaves(branch.form, branch.key)]
        if patterns is not None:
            wanted = self.patterns.of(prefix, names)
        elif damaged := self._damaged.get(choice.place):
            # a template would need the bytes of all branches
            self.warnings += left_out_warnings([*damaged, *left_out], where)
            wanted, left_out = names, []
        if wanted == []:
            return None
        try:
            return self._with_variables(opened, (readable, left_out), wanted, needed=False)
        except DataError:
            if wanted is not None or tree.kind != "TTree":
                raise
            # branches that cannot be read may be kept as they are
            return self._with_variables(opened, (readable, left_out), wanted, needed=True)

    def _with_variables(
        self,
        opened: _OpenTree,
        listed: tuple[list[Branch], list[LeftOut]],
        wanted: Sequence[str] | None,
        *,
        needed: bool,
    ) -> TreePart | None:
        """A tree whose branches are variables, by a template where it is odd or that is `needed`."""
        choice, item, tree, where = opened.choice, opened.item, opened.tree, opened.where
        prefix = choice.prefix or ""
        template, readable, left_out = self._template(opened, *listed, wanted, needed=needed)
        if any(prefix + leaf.name in self._names for branch in readable for leaf in leaves(branch.form, branch.key)):
            return self._carried(opened)
        if tree.kind == "RNTuple" and template is None and not readable and wanted is None:
            self.warnings += left_out_warnings(left_out, where)
            return None
        if template is not None and not readable:
            return _without_variables(opened, template)
        chosen = select(tree, readable, left_out, wanted, where)
        schema = build_schema(tree, chosen.branches, chosen.collections, chosen.entry, item.class_name)
        if template is not None:
            schema = _with_template(schema, template)
        self.warnings += left_out_warnings(chosen.left_out, where)
        part = TreePart(choice, prefix, tree, chosen.branches, chosen.collections, schema, where, template)
        keys = {branch.key for branch in readable}
        named = [*(branch.key for branch in listed[0]), *(one.key for one in listed[1])]
        others = [key for key in named if key not in keys]
        return part if template is None else replace(part, as_stored=others)

    def _template(
        self,
        opened: _OpenTree,
        readable: list[Branch],
        left_out: list[LeftOut],
        wanted: Sequence[str] | None,
        *,
        needed: bool,
    ) -> tuple[Template | NTupleTemplate | None, list[Branch], list[LeftOut]]:
        """The template of a tree that needs one, and the branches that are variables then."""
        item, tree, where = opened.item, opened.tree, opened.where
        if tree.kind == "RNTuple":
            return self._ntuple_template(opened, readable, left_out, wanted)
        odd = odd_structure(tree, readable, left_out)
        if not (odd or needed or self._has_older(item)):
            return None, readable, left_out
        if wanted is None:
            try:
                template, found = make_template(tree, item.key, readable, where)
                return template, found, []
            except Unfamiliar as reason:
                odd = f"{odd}, and {reason}"
        if odd and readable:
            self.warnings.append(f"{where}: the tree is restored with only its variables, in plain branches: {odd}")
        return None, readable, left_out

    def _ntuple_template(
        self, opened: _OpenTree, readable: list[Branch], left_out: list[LeftOut], wanted: Sequence[str] | None
    ) -> tuple[NTupleTemplate | None, list[Branch], list[LeftOut]]:
        """The same of an RNTuple: where it could not be written anew with the same fields."""
        item, tree, where = opened.item, opened.tree, opened.where
        odd = restructured(tree, readable) if readable else []
        if not odd and not left_out:
            return None, readable, left_out
        reason = "only part of its fields is selected"
        if wanted is None:
            try:
                return *make_ntuple_template(tree, item.key, readable), []
            except Unfamiliar as found:
                reason = str(found)
        if odd:
            self.warnings.append(
                f"{where}: {len(odd)} fields come back with other C++ types, since {reason}: {', '.join(odd)}"
            )
        return None, readable, left_out

    def _has_older(self, item: Item) -> bool:
        same = [other for other in self._items if (other.folder, other.name) == (item.folder, item.name)]
        return self._others and len(same) > 1 and self.patterns.patterns is None

    def _carried(self, opened: _OpenTree) -> TreePart:
        """A tree without variables, byte for byte."""
        choice, item, tree, where = opened.choice, opened.item, opened.tree, opened.where
        if tree.kind == "RNTuple":
            try:
                return _without_variables(opened, make_ntuple_template(tree, item.key, [])[0])
            except Unfamiliar as reason:
                raise DataError(f"{where}: the RNTuple cannot be kept as it is: {reason}") from reason
        newer = next((part for part in self.parts if part.choice.place == choice.newer), None)
        shared = newer.tree.tree if newer is not None and isinstance(newer.template, Template) else None
        try:
            template, _ = make_template(tree, item.key, [], where, shared)
        except Unfamiliar as reason:
            raise DataError(f"{where}: the tree cannot be kept as it is: {reason}") from reason
        number = None if newer is None else self.parts.index(newer)
        return _without_variables(opened, template, number)


def _without_variables(opened: _OpenTree, template: Template | NTupleTemplate, newer: int | None = None) -> TreePart:
    choice, item, tree = opened.choice, opened.item, opened.tree
    skeleton: dict[str, Any] = {"kind": tree.kind, "tree": tree.name, "title": tree.title, "class": item.class_name}
    if newer is not None:
        skeleton["newer"] = newer
    schema = _with_template(Schema((), {}, {}, skeleton), template)
    return TreePart(choice, choice.prefix or "", tree, [], [], schema, opened.where, template)


def _with_template(schema: Schema, template: Template | NTupleTemplate) -> Schema:
    skeleton = {**schema.skeleton, "template": template.to_json()}
    if "odd" in skeleton:  # the tree's own bytes say titles better
        odd = {key: {k: v for k, v in said.items() if k != "title"} for key, said in skeleton["odd"].items()}
        skeleton["odd"] = {key: said for key, said in odd.items() if said}
    return replace(schema, skeleton=skeleton, attachments=template.attachments())
