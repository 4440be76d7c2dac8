"""Write blocks into a new ROOT file that looks like the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from baler_core import Block, FormatError, Schema, Sink, values_of
from baler_root.contents.branches import Branch
from baler_root.contents.forms import leaves
from baler_root.contents.objects import OBJECTS, STREAMERS, KeyRecord, keys_from_json
from baler_root.contents.trees import first_line
from baler_root.schema.parts import TreeSchema, take_parts
from baler_root.schema.skeleton import branches_of, list_dimensions
from baler_root.values.ntuple.stored import StoredNTuple, read_ntuple_template
from baler_root.values.ntuple.writing import NTupleTemplateOutput
from baler_root.values.outputs import RNTupleOutput, TTreeOutput
from baler_root.values.template.stored import StoredTemplate, read_template
from baler_root.values.template.writing import TemplateOutput
from baler_root.values.writing.folders import Folders
from baler_root.values.writing.naming import name_file
from baler_root.values.writing.records import Names, add_object
from baler_root.values.writing.streamers import add_streamers

DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


class TreeOutput(Protocol):
    """A tree being written: takes the values of a block and the lengths of its lists."""

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events."""

    def close(self) -> None:
        """Write what is left."""


class PlannedTree:
    """One tree as a .bal file describes it.

    Raises
    ------
    FormatError
        If skeleton and variables do not fit together, as only a damaged file can have it.
    """

    def __init__(self, part: TreeSchema) -> None:
        self.prefix, self.schema, skeleton = part.prefix, part.schema, part.schema.skeleton
        try:
            if skeleton["kind"] not in ("TTree", "RNTuple") or not skeleton["tree"]:
                raise ValueError("no kind of tree")
            self.path, self.title, self.kind = str(skeleton["tree"]), str(skeleton["title"]), str(skeleton["kind"])
            default = "TTree" if self.kind == "TTree" else "ROOT::RNTuple"
            self.class_name = str(skeleton.get("class", default))
            self.fields, self.newer = int(skeleton.get("fields", 0)), skeleton.get("newer")
            self.branches = branches_of(self.schema) if self.schema.variables else []
            self.counts_of = _counts_of(self.schema, self.branches)
            self.template: StoredTemplate | StoredNTuple | None = None
            if "template" in skeleton and self.kind == "RNTuple":
                self.template = read_ntuple_template(skeleton["template"], self.schema.attachments, self.branches)
            elif "template" in skeleton:
                self.template = read_template(skeleton["template"], self.schema.attachments)
            elif not self.branches:
                raise ValueError("a tree without branches")
        except DAMAGE as error:
            raise _damaged(error) from error


def _counts_of(schema: Schema, branches: Sequence[Branch]) -> dict[str, str]:
    """For the place of every list the variable that holds its lengths."""
    return {
        place: schema.counts[dim]
        for branch in branches
        for leaf in leaves(branch.form, branch.key)
        for place, dim in zip(leaf.lists, list_dimensions(schema, leaf), strict=True)
    }


def _damaged(error: Exception) -> FormatError:
    return FormatError(f"the description of the ROOT tree to be written is damaged: {first_line(error)}")


class RootSink(Sink):
    """A ROOT file with the trees and objects of the original."""

    def __init__(self, path: Path, schema: Schema) -> None:
        import uproot

        try:
            self._trees = [PlannedTree(part) for part in take_parts(schema)]
            keys = _keys(schema, self._trees)
            objects = cut(schema.attachments.get(OBJECTS, b""), keys)
            names = [str(name) for name in schema.skeleton.get("file", ())]
        except DAMAGE as error:
            raise _damaged(error) from error
        stored = schema.skeleton.get("compression")
        if stored and stored[0] == "LZMA" and stored[1]:
            self.warnings = [
                "data compressed with LZMA come back compressed with Zstandard, which is faster; the values are the same"
            ]
        self._file = uproot.recreate(str(path), compression=_compression(stored))
        try:
            if len(names) == 2:
                name_file(self._file, *names)
            self._folders = Folders(self._file, keys)
            if STREAMERS in schema.attachments:
                add_streamers(self._file, schema.attachments[STREAMERS])
            for n, content in objects.items():
                add_object(self._folders.of(n), names_of(keys[n]), content, small=keys[n].small)
            self._outputs = self._start_trees(keys)
        except BaseException:
            self._file.close()
            raise

    def _start_trees(self, keys: Sequence[KeyRecord]) -> list[TreeOutput]:
        place_of = {key.tree: n for n, key in enumerate(keys) if key.tree is not None}
        outputs: list[TreeOutput] = []
        for n, tree in enumerate(self._trees):
            key = keys[place_of[n]]
            outputs.append(_output(tree, self._folders.of(place_of[n]), key, outputs))
        return outputs

    def write(self, block: Block) -> None:
        """Append the events of a block."""
        for tree, output in zip(self._trees, self._outputs, strict=True):
            names = tree.schema.names
            if names and tree.prefix + names[0] in block.variables:
                values = {name: values_of(block, tree.prefix + name) for name in names}
                counts = {place: values[name].astype(np.int64) for place, name in tree.counts_of.items()}
                output.extend(values, counts)

    def close(self) -> None:
        """Write the trees and close the file."""
        for output in self._outputs:
            output.close()
        self._folders.close()
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        self._file.close()


def _output(tree: PlannedTree, directory: Any, key: KeyRecord, before: Sequence[TreeOutput]) -> TreeOutput:
    names = names_of(key)
    if isinstance(tree.template, StoredNTuple):
        return NTupleTemplateOutput(directory, names, tree.template, tree.branches)
    if tree.template is not None:
        newer = before[tree.newer] if isinstance(tree.newer, int) and 0 <= tree.newer < len(before) else None
        known = newer if isinstance(newer, TemplateOutput) else None
        return TemplateOutput(directory, names, tree.template, tree.branches, small=key.small, newer=known)
    if tree.kind == "TTree":
        return TTreeOutput(directory, names, tree.title, tree.branches, tree.fields)
    return RNTupleOutput(directory, names, tree.title, tree.branches)


def names_of(key: KeyRecord) -> Names:
    """Return what a key says of its object."""
    return Names(key.class_name, key.name, key.title, key.cycle, key.date)


def _keys(schema: Schema, trees: Sequence[PlannedTree]) -> list[KeyRecord]:
    """The keys of the file; where nothing is said of them, that of its one tree."""
    if "keys" in schema.skeleton:
        keys = keys_from_json(schema.skeleton["keys"], len(trees))
    else:
        only = trees[0]
        title = only.title if only.kind == "TTree" else ""
        keys = [KeyRecord(-1, only.class_name, only.path, title, 1, None, False, -2)]
    if sorted(key.tree for key in keys if key.tree is not None) != [*range(len(trees))]:
        raise ValueError("the keys of trees do not fit")
    return keys


def cut(content: bytes, keys: Sequence[KeyRecord]) -> dict[int, bytes]:
    """Return the bytes of each carried object, by its place among the keys.

    Raises
    ------
    ValueError
        If they are damaged.
    """
    found, start = {}, 0
    for n, key in enumerate(keys):
        if key.size >= 0:
            found[n] = content[start : start + key.size]
            start += key.size
    if start != len(content):
        raise ValueError("the bytes of objects do not fit")
    return found


def _compression(stored: Sequence[Any] | None) -> Any:
    """The compression of the original file; LZMA, slow to write, becomes Zstandard."""
    import uproot

    name, level = stored or ("ZLIB", 1)
    if name == "LZMA":
        name, level = "ZSTD", 5
    codecs = {"ZLIB": uproot.ZLIB, "LZ4": uproot.LZ4, "ZSTD": uproot.ZSTD}
    most = 22 if name == "ZSTD" else 9
    return codecs.get(name, uproot.ZLIB)(min(max(int(level), 1), most)) if level else None
