"""Create the groups, datasets, types, links and attributes of an HDF5 file from its skeleton, without values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from baler_core import FormatError
from baler_hdf5.contents.attributes import write_attribute
from baler_hdf5.contents.build_datatypes import build_type
from baler_hdf5.contents.cells import ReferenceTo, decode_text
from baler_hdf5.contents.creation import build_creation, set_attribute_order
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.selections import build_region
from baler_hdf5.schema.datasets import LARGEST_CHUNK
from baler_hdf5.schema.placeholders import write_constant
from baler_hdf5.values.fields import element_size

if TYPE_CHECKING:
    import h5py
    from h5py import h5s, h5t


def rebuild(file: h5py.File, entries: Sequence[Json]) -> ReferenceTo:
    """Create all objects of the skeleton's entries; values come later.

    Returns
    -------
    ReferenceTo
        Gives a reference to the object created at a path.

    Raises
    ------
    FormatError
        If an entry leads through something that the skeleton did not create: links to other files are created and
        never followed.
    """
    from h5py import h5o

    if len({entry["path"] for entry in entries}) < len(entries):
        raise FormatError("the record of the original file has two entries of the same path")
    builder = _Builder(file, {entry["path"]: entry for entry in entries})
    for entry in entries:
        builder.create(entry)
    for entry in entries:
        if entry.get("attributes") or entry.get("comment"):
            item = builder.created(entry)
            for record in entry["attributes"]:
                write_attribute(item, record, builder.named_type, builder.reference_to)
            if "comment" in entry:
                h5o.set_comment(item.id, decode_text(entry["comment"]))
    return builder.reference_to


OBJECTS = ("group", "dataset", "type")


class _Builder:
    """Creates entries one by one, knowing what it has created."""

    def __init__(self, file: h5py.File, entries: dict[str, Json]) -> None:
        self._file = file
        self._entries = entries
        self._groups = {""}
        self._objects = {""}
        self._datasets: set[str] = set()
        self._begun: set[str] = set()

    def create(self, entry: Json) -> None:
        """Create one entry below a group created before it."""
        path, kind = entry["path"], entry["kind"]
        if path in self._objects:
            return
        self._begun.add(path)
        parent, _, name = path.rpartition("/")
        if parent not in self._groups:
            raise FormatError(f"the record of the original file puts {path!r} into a group it does not have")
        if name in ("", ".") or "\0" in name:
            raise FormatError(f"the record of the original file has an entry called {name!r}")
        group = self._file[parent or "/"]
        if kind in ("soft", "external"):
            _link(group, name, entry)
        elif kind == "type":
            build_type(entry["type"], self.named_type).commit(group.id, name.encode("utf-8"))
        else:
            makers = {"group": self._group, "dataset": self._dataset, "hard": self._hard}
            group[name] = makers[kind](entry)
        if kind in OBJECTS:
            self._objects.add(path)
        if kind == "group":
            self._groups.add(path)
        if kind == "dataset":
            self._datasets.add(path)

    def created(self, entry: Json) -> h5py.HLObject:
        """Return the group, dataset or type that was created for an entry; links have nothing of their own.

        Raises
        ------
        FormatError
            If it is a link: what it leads to may lie in another file.
        """
        if entry["kind"] not in OBJECTS or entry["path"] not in self._objects:
            raise FormatError(f"the record of the original file gives attributes to the link {entry['path']!r}")
        return self._file[entry["path"] or "/"]

    def named_type(self, path: str, inner: Json) -> h5t.TypeID:
        """Return the committed type at `path`, created now if its turn has not come; uncommitted if it is not kept."""
        from h5py import h5t

        entry = self._entries.get(path)
        if entry is None or entry["kind"] != "type" or not self._has_group(path.rpartition("/")[0]):
            return build_type(inner, self.named_type)
        self.create(entry)
        return h5t.open(self._file.id, path.encode("utf-8"))

    def _has_group(self, path: str) -> bool:
        """Whether there is such a group, created now with those above it if its turn has not come."""
        names = path.split("/")
        for depth in range(1, len(names) + 1):
            above = "/".join(names[:depth])
            if above not in self._groups:
                entry = self._entries.get(above)
                if entry is None or entry["kind"] != "group":
                    return False
                self.create(entry)
        return True

    def reference_to(self, path: str | None, kind: str) -> h5py.Reference:
        """Return a reference to the object at `path`, or to a region of it; to nothing if there is none."""
        import h5py

        if kind == "region":
            return build_region(path or "", self._file, self._datasets)
        return self._file[path or "/"].ref if path in self._objects else h5py.Reference()

    def address_of(self, path: str | None) -> int:
        """Return the address of the object at `path`, created now if its turn has not come; 0 if there is none."""
        from h5py import h5o

        if path in self._entries.keys() - self._objects - self._begun and self._has_group(path.rpartition("/")[0]):
            self.create(self._entries[path])
        return h5o.get_info(self._file[path or "/"].id).addr if path in self._objects else 0

    def _group(self, entry: Json) -> h5py.Group:
        import h5py
        from h5py import h5g, h5p

        properties = h5p.create(h5p.GROUP_CREATE)
        properties.set_link_creation_order(entry["order"][0])
        set_attribute_order(properties, entry["order"][1])
        return h5py.Group(h5g.create(self._file.id, None, gcpl=properties))

    def _dataset(self, entry: Json) -> h5py.Dataset:
        import h5py
        from h5py import h5d

        tid = build_type(entry["type"], self.named_type)
        if math.prod(entry.get("chunks", ())) * element_size(entry["type"]) > LARGEST_CHUNK:
            raise FormatError(f"the chunks of dataset {entry['path']!r} are too large for memory")
        space = _space(entry)
        try:
            properties = build_creation(entry, self.address_of)
            dataset = h5py.Dataset(h5d.create(self._file.id, None, tid, space, properties))
        except ValueError:
            # a filter may refuse these parameters in another version; values matter more
            properties = build_creation(entry, self.address_of, with_filters=False)
            dataset = h5py.Dataset(h5d.create(self._file.id, None, tid, space, properties))
        if "constant" in entry and not entry["variables"]:
            write_constant(dataset, entry["constant"])
        return dataset

    def _hard(self, entry: Json) -> Any:
        if entry["target"] not in self._objects:
            raise FormatError(f"the link {entry['path']!r} leads to {entry['target']!r}, which is not there")
        return self._file[entry["target"] or "/"]


def _link(group: h5py.Group, name: str, entry: Json) -> None:
    """Create a soft or external link, whose target may be any bytes, while h5py's classes take text only."""
    from h5py import h5p, h5t

    properties = h5p.create(h5p.LINK_CREATE)
    properties.set_char_encoding(h5t.CSET_ASCII if name.isascii() else h5t.CSET_UTF8)
    place, target = name.encode("utf-8"), decode_text(entry["target"])
    if entry["kind"] == "soft":
        group.id.links.create_soft(place, target, lcpl=properties)
    else:
        group.id.links.create_external(place, decode_text(entry["file"]), target, lcpl=properties)


def _space(entry: Json) -> h5s.SpaceID:
    """The dataspace of a dataset."""
    from h5py import h5s

    if entry["shape"] is None:
        return h5s.create(h5s.NULL)
    if not entry["shape"]:
        return h5s.create(h5s.SCALAR)
    largest = tuple(h5s.UNLIMITED if n is None else n for n in entry["maxshape"])
    return h5s.create_simple(tuple(entry["shape"]), largest)
