"""Compare a restored file with the record of the original, object by object, and describe the differences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from baler_core import BalerError
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.schema.records import read_records
from baler_hdf5.schema.skeleton import completed

MOST_LISTED = 20
CALLED = {
    "type": "datatype",
    "fill": "fill value",
    "maxshape": "largest shape",
    "order": "order of members",
}
# These follow from others, or mean nothing once all values are there (the time of filling, what was never written).
IGNORED = frozenset({"path", "kind", "variables", "attributes", "fill_time", "sparse"})


def differences(path: Path, entries: Sequence[Json]) -> list[str]:
    """Return how the file at `path` differs from its entries, one sentence each; values are not read."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = read_records(file, None, path.name, lambda message: None, allow_missing=True).records
    except (BalerError, OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
        return [f"the restored file cannot be compared with the record of the original: {error}"]
    sentences = list(
        _compared([completed(entry) for entry in entries], {record["path"]: completed(record) for record in found})
    )
    paths = [entry["path"] for entry in entries]
    if not sentences and [record["path"] for record in found] != paths:
        sentences.append("the order of objects in the restored file differs from the original")
    if len(sentences) > MOST_LISTED:
        sentences[MOST_LISTED:] = [
            f"{len(sentences) - MOST_LISTED} more objects of the restored file differ from the original"
        ]
    return sentences


def _compared(entries: Sequence[Json], found: Mapping[str, Json]) -> Iterator[str]:
    for entry in entries:
        name = f"{entry['kind']} {entry['path'] or '/'!r}"
        record = found.get(entry["path"])
        if record is None or record["kind"] != entry["kind"]:
            yield f"{name} is not in the restored file"
            continue
        keys = [key for key in entry.keys() | record.keys() if key not in IGNORED]
        different = sorted(CALLED.get(key, key) for key in keys if entry.get(key) != record.get(key))
        different += _different_attributes(entry, record)
        if different:
            yield f"{name} of the restored file differs from the original in its {', '.join(different)}"


def _different_attributes(entry: Json, record: Json) -> list[str]:
    ours, theirs = ({each["name"]: _plain(each) for each in one.get("attributes", ())} for one in (entry, record))
    wrong = [f"attribute {name!r}" for name in ours | theirs if ours.get(name) != theirs.get(name)]
    order = entry.get("order")
    ordered = order[1] if isinstance(order, list) else order
    return wrong if wrong or not ordered or list(ours) == list(theirs) else ["order of attributes"]


def _plain(attribute: Json) -> Json:
    """An attribute, those that HDF5 keeps by itself in any order."""
    if attribute["name"] != "REFERENCE_LIST" or not isinstance(attribute.get("value"), list):
        return attribute
    rows = sorted(json.dumps(row) for row in zip(*attribute["value"], strict=False))
    return {**attribute, "value": rows}
