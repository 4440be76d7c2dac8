"""Record everything in an HDF5 file besides values, as JSON: groups, datasets, named types and links, in file order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baler_hdf5.contents.attributes import read_attributes
from baler_hdf5.contents.cells import encode_text
from baler_hdf5.contents.creation import describe_creation
from baler_hdf5.contents.datatypes import Json, describe_type
from baler_hdf5.contents.tree import Entry
from baler_hdf5.schema.datasets import StoredDataset
from baler_hdf5.schema.placeholders import describe_constant
from baler_hdf5.values.fields import fields_of, restrict_type

if TYPE_CHECKING:
    import h5py


# What most entries say, and the skeleton therefore leaves out.
USUAL: dict[str, dict[str, Json]] = {
    "group": {"order": [0, 0], "attributes": []},
    "type": {"attributes": []},
    "dataset": {
        "kind": "dataset",
        "order": 0,
        "fill": None,
        "fill_time": 2,
        "layout": "contiguous",
        "filters": [],
        "attributes": [],
    },
}


def shortened(record: Json) -> Json:
    """Return a record without what `completed` adds again."""
    usual = _usual(record)
    return {key: value for key, value in record.items() if key not in usual or usual[key] != value}


def completed(record: Json) -> Json:
    """Return a record with all its parts."""
    return {**_usual(record), **record}


def _usual(record: Json) -> dict[str, Json]:
    kind = record.get("kind", "dataset")
    usual = dict(USUAL.get(kind, {}))
    if kind == "dataset":
        usual["maxshape"] = record["shape"]
        usual["variables"] = {record["path"]: []}
    return usual


@dataclass(frozen=True)
class Recorder:
    """Makes the records of one file.

    Attributes
    ----------
    named
        Paths of committed datatypes by address.
    kept
        The datasets that are taken, by path.
    path_of
        The path behind an object reference; None for nothing and for what is not taken.
    warn
        Called with a sentence for each property that cannot be kept.
    """

    file: h5py.File
    named: Mapping[int, str]
    kept: Mapping[str, StoredDataset]
    path_of: Callable[[Any], str | None]
    warn: Callable[[str], None]

    def record(self, entry: Entry) -> Json:
        """Return the complete record of one entry."""
        base = {"path": entry.path, "kind": entry.kind}
        if entry.kind in ("group", "dataset"):
            base |= self._comment(entry.path)
        if entry.kind == "group":
            return {**base, **self._group(entry.path)}
        if entry.kind == "dataset":
            return {**base, **self._dataset(self.kept[entry.path])}
        if entry.kind == "type":
            item = self.file[entry.path]
            return {**base, "type": describe_type(item.id, {}), "attributes": self._attributes(item)}
        return {**base, "target": encode_text(entry.target), "file": encode_text(entry.file)}

    def _comment(self, path: str) -> dict[str, Json]:
        """The remark that HDF5 lets objects carry besides attributes, if there is one."""
        comment = self.file.id.get_comment(path.encode("utf-8") or b".")
        return {"comment": encode_text(comment)} if comment else {}

    def _group(self, path: str) -> dict[str, Json]:
        group = self.file[path or "/"]
        properties = group.id.get_create_plist()
        order = [properties.get_link_creation_order(), properties.get_attr_creation_order()]
        return {"order": order, "attributes": self._attributes(group)}

    def _dataset(self, dataset: StoredDataset) -> dict[str, Json]:
        item = self.file[dataset.path]
        members = {name: list(field.members) for name, field in dataset.fields.items()}
        record_type = dataset.type
        if members and len(members) < len(fields_of(record_type)):
            record_type = restrict_type(record_type, [field.members for field in dataset.fields.values()])

        def warn(message: str) -> None:
            self.warn(f"dataset {dataset.path!r}: {message}")

        return {
            "type": record_type,
            "shape": None if dataset.shape is None else list(dataset.shape),
            **describe_creation(item.id, record_type, self.path_of, warn),
            **({} if members else describe_constant(item)),
            "variables": members,
            "attributes": self._attributes(item),
        }

    def _attributes(self, item: h5py.HLObject) -> list[Json]:
        return read_attributes(item, self.named, self.path_of, self.warn)
