"""Write a TTree: baskets as blocks come, and at the end the tree with its branches and leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baler_root.values.baskets import Basket, BasketWriter
from baler_root.values.entries import Entries
from baler_root.values.tbuffer import StreamBuffer
from baler_root.values.writing.records import Names

# ROOT's letter for a leaf of each numpy kind, and the struct codes of its smallest and largest value.
LEAF_CLASSES = {
    "b1": ("TLeafO", "??"),
    "i1": ("TLeafB", "bb"),
    "u1": ("TLeafB", "BB"),
    "i2": ("TLeafS", "hh"),
    "u2": ("TLeafS", "HH"),
    "i4": ("TLeafI", "ii"),
    "u4": ("TLeafI", "II"),
    "i8": ("TLeafL", "qq"),
    "u8": ("TLeafL", "QQ"),
    "f4": ("TLeafF", "ff"),
    "f8": ("TLeafD", "dd"),
    "str": ("TLeafC", "ii"),
}
# TBranch's "do not use the buffer map", set by ROOT for all branches it writes itself.
BRANCH_BITS = 0x00400000
NTUPLE_VERSIONS = {"TNtuple": 2, "TNtupleD": 1}
STRING_CHECKSUM = 1852773892
MEMBERS = "qqqqqdiiiiIqqqqqq"


@dataclass
class LeafPlan:
    """One leaf of a branch: `code` is a key of LEAF_CLASSES, or empty for a leaf of a C++ collection."""

    name: str
    code: str
    shape: tuple[int, ...] = ()
    counter: LeafPlan | None = None
    is_counter: bool = False
    maximum: int = 0
    sizes_in_title: bool = True

    @property
    def title(self) -> str:
        """`pt[nJet][3]`: the name, the counter and the fixed sizes."""
        sizes = [self.counter.name] if self.counter else []
        if self.sizes_in_title:
            sizes += map(str, self.shape)
        return self.name + "".join(f"[{size}]" for size in sizes)


@dataclass
class BranchPlan:
    """One branch, its leaves and its branches; `class_name` (`vector<float>`) only for C++ collections and strings."""

    key: str
    name: str
    title: str
    leaves: list[LeafPlan] = field(default_factory=list)
    class_name: str = ""
    branches: list[BranchPlan] = field(default_factory=list)
    baskets: list[Basket] = field(default_factory=list)

    def flat(self) -> Iterator[BranchPlan]:
        """Yield the branch and all branches below it."""
        yield self
        for branch in self.branches:
            yield from branch.flat()


class TreeWriter:
    """A TTree being written into a directory of a file that uproot is writing.

    Parameters
    ----------
    names
        Its key.
    fields
        Number of fields that a TNtuple says it has.
    """

    def __init__(self, directory: Any, names: Names, title: str, branches: Sequence[BranchPlan], fields: int) -> None:
        self.names = names
        self.title = title
        self._fields = fields
        self.branches = branches
        self.entries = 0
        self._by_key = {branch.key: branch for top in branches for branch in top.flat()}
        self._baskets = BasketWriter(directory, names.name)
        self._references: dict[int, int] = {}

    def write(self, columns: Mapping[str, Entries]) -> None:
        """Append entries: `{branch key: entries}` for every branch that has leaves."""
        for key, entries in columns.items():
            branch = self._by_key[key]
            branch.baskets += self._baskets.write(branch.name, entries)
            if branch.leaves[0].code == "str":
                longest = int(entries.lengths.max(initial=0))
                # the length before a string takes one byte, or five; ROOT counts a final zero
                longest -= 4 * (longest > 255)
                branch.leaves[0].maximum = max(branch.leaves[0].maximum, longest)
        self.entries += len(next(iter(columns.values())).lengths)
        self._baskets.flush()

    def close(self) -> None:
        """Write the tree itself."""
        buffer = StreamBuffer(self._baskets.key_bytes(*self.names[:3]))
        with buffer.versioned(NTUPLE_VERSIONS[self.names.class_name]) if self.is_ntuple else nullcontext():
            with buffer.versioned(20):
                self._write_tree(buffer)
            if self.is_ntuple:
                buffer.pack("i", self._fields)
        self._baskets.add_tree(self.names, bytes(buffer.data))

    @property
    def is_ntuple(self) -> bool:
        """Whether it is a TNtuple: a TTree with its number of fields."""
        return self.names.class_name in NTUPLE_VERSIONS

    def _write_tree(self, buffer: StreamBuffer) -> None:
        buffer.named(self.names.name, self.title, bits=0x00000008)
        for layout, values in (("hhh", (602, 1, 1)), ("hh", (0, 1001)), ("hhf", (1, 1, 1.0))):  # line, fill, marker
            with buffer.versioned(2):
                buffer.pack(layout, *values)
        baskets = [basket for branch in self._by_key.values() for basket in branch.baskets]
        total, zipped = sum(b.uncompressed for b in baskets), sum(b.compressed for b in baskets)
        limits = (10**12, 10**12, 0, -300000000, -30000000, 1000000)
        buffer.pack(MEMBERS, self.entries, total, zipped, 0, 0, 1.0, 0, 25, 0, 1000, 0, *limits)
        buffer.raw(b"\0\0")  # no cluster ranges
        _write_io_features(buffer)
        with buffer.array(len(self.branches)):
            for branch in self.branches:
                self._write_branch(buffer, branch)
        leaves = [leaf for branch in self._by_key.values() for leaf in branch.leaves]
        with buffer.array(len(leaves)):
            for leaf in leaves:
                buffer.pack("I", self._references[id(leaf)])
        buffer.raw(bytes(28))  # no aliases, index, friends, user info, branch references

    def _write_branch(self, buffer: StreamBuffer, branch: BranchPlan) -> None:
        if not branch.class_name:
            with buffer.pointed("TBranch"):
                self._write_plain(buffer, branch)
            return
        with buffer.pointed("TBranchElement"), buffer.versioned(10):
            self._write_plain(buffer, branch)
            for text in (branch.class_name, "", ""):
                buffer.string(text)
            if branch.class_name == "string":
                buffer.pack("IHiiii", STRING_CHECKSUM, 2, -1, -1, -1, 0)
            else:
                buffer.pack("IHiiii", collection_checksum(branch.class_name), 6, -1, 0, -1, 0)
            buffer.pack("II", 0, 0)  # counted by no other branch

    def _write_plain(self, buffer: StreamBuffer, branch: BranchPlan) -> None:
        baskets = branch.baskets
        entries = self.entries if branch.leaves else 0
        with buffer.versioned(13):
            buffer.named(branch.name, branch.title, BRANCH_BITS)
            with buffer.versioned(2):
                buffer.pack("hh", 0, 1001)
            fixed = not baskets or baskets[0].fixed
            buffer.pack("iiiiq", 0, 32000, 0 if fixed else 1000, len(baskets), entries)
            _write_io_features(buffer)
            capacity = max(10, len(baskets) + 1)
            total, zipped = sum(b.uncompressed for b in baskets), sum(b.compressed for b in baskets)
            buffer.pack("iIiqqqq", 0, capacity, 0, entries, 0, total, zipped)
            with buffer.array(len(branch.branches)):
                for inner in branch.branches:
                    self._write_branch(buffer, inner)
            with buffer.array(len(branch.leaves)):
                offset = 0
                for leaf in branch.leaves:
                    self._write_leaf(buffer, leaf, offset)
                    offset += _leaf_bytes(leaf)
            with buffer.array(0):
                pass
            _write_basket_list(buffer, baskets, capacity)
            buffer.string("")

    def _write_leaf(self, buffer: StreamBuffer, leaf: LeafPlan, offset: int = 0) -> None:
        """A leaf, or the number to refer to it once it has been written: a counted leaf brings its counter along."""
        if id(leaf) in self._references:
            buffer.pack("I", self._references[id(leaf)])
            return
        class_name, limits = LEAF_CLASSES.get(leaf.code, ("TLeafElement", ""))
        with buffer.pointed(class_name) as reference, buffer.versioned(1):
            self._references[id(leaf)] = reference
            with buffer.versioned(2):
                buffer.named(leaf.name, leaf.title)
                length = max(leaf.maximum, 1) if leaf.code == "str" else int(np.prod(leaf.shape, dtype=np.int64))
                width = int(leaf.code[1]) if leaf.code[1:].isdigit() else int(leaf.code == "str")
                buffer.pack("iii??", length, width, offset, leaf.is_counter, leaf.code.startswith("u"))
                if leaf.counter:
                    self._write_leaf(buffer, leaf.counter)
                else:
                    buffer.pack("I", 0)
            if limits:
                buffer.pack(limits, 0, leaf.maximum)
            else:
                buffer.pack("ii", -1, -1)


def _leaf_bytes(leaf: LeafPlan) -> int:
    return int(leaf.code[1]) * int(np.prod(leaf.shape, dtype=np.int64)) if leaf.code[1:].isdigit() else 0


def _write_io_features(buffer: StreamBuffer) -> None:
    """ROOT::TIOFeatures without any bit set; a class without version carries its checksum."""
    with buffer.versioned(0):
        buffer.pack("IB", 0x1AA12F10, 0)


def _write_basket_list(buffer: StreamBuffer, baskets: Sequence[Basket], capacity: int) -> None:
    """Bytes, first entry and place in the file of every basket."""
    first = np.cumsum([0, *(basket.entries for basket in baskets)])
    for code, values in (
        (">i4", [basket.compressed for basket in baskets]),
        (">i8", first),
        (">i8", [basket.location for basket in baskets]),
    ):
        padded = np.zeros(capacity, code)
        padded[: len(values)] = values
        buffer.raw(b"\x01" + padded.tobytes())


def collection_checksum(class_name: str) -> int:
    """ROOT's checksum of a collection class: a hash of its name."""
    checksum = 0
    for character in class_name.encode():
        checksum = (checksum * 3 + character) & 0xFFFFFFFF
    return checksum
