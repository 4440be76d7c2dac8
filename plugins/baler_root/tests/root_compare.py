"""Compares two ROOT files as uproot shows them: keys, bytes of objects, branches, their types and values."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

_TREES = ("TTree", "TNtuple", "TNtupleD")
_SLACK = 1 + 1e-9


def differences(original: Path, restored: Path, *, rel: float = 0.0) -> Iterator[str]:
    """Tell what differs, apart from floats within a relative bound (0: none)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from list(_files(original, restored, rel))


def _files(original: Path, restored: Path, rel: float) -> Iterator[str]:
    with uproot.open(original, array_cache=None) as before, uproot.open(restored, array_cache=None) as after:
        for what, show in _OF_FILE.items():
            if show(before.file) != show(after.file):
                yield f"{what} of the file: {show(before.file)} became {show(after.file)}"
        name = _own_names(before.file)[0]  # a file that is called what it says of itself may be called otherwise now
        if name not in (original.name, _own_names(after.file)[0]):
            yield f"name of the file: {name!r} became {_own_names(after.file)[0]!r}"
        old, new = _keys(before), _keys(after)
        for name in sorted(old.keys() ^ new.keys()):
            yield f"{name}: {'missing' if name in old else 'added'}"
        for name in old.keys() & new.keys():
            kind, title, key = old[name]
            if (kind, title) != new[name][:2]:
                yield f"{name}: {kind} {title!r} became {new[name][:2]}"
            elif kind in _TREES or kind == "ROOT::RNTuple":
                yield from _either(before, after, name, key, new[name][2], rel)
            elif not kind.startswith("TDirectory") and _payload(key) != _payload(new[name][2]):
                yield f"{name}: bytes of the object"


def _keys(folder: Any, prefix: str = "") -> dict[str, tuple[str, str, Any]]:
    """All keys with their cycles, folders included: class, title, key."""
    found = {}
    for name in folder.keys(recursive=False, cycle=True):
        key = folder.key(name)
        found[prefix + name] = (key.fClassName, key.fTitle, key)
        if key.fClassName.startswith("TDirectory"):
            found |= _keys(key.get(), f"{prefix}{name}/")
    return found


def _payload(key: Any) -> bytes:
    chunk, _ = key.get_uncompressed_chunk_cursor()
    return bytes(chunk.get(0, key.data_uncompressed_bytes, uproot.source.cursor.Cursor(0), {}))


def _either(before: Any, after: Any, name: str, old: Any, new: Any, rel: float) -> Iterator[str]:
    try:
        tree = before[name]
    except Exception:  # what uproot cannot read is compared by its bytes
        if _payload(old) != _payload(new):
            yield f"{name}: bytes of an unreadable tree"
        return
    yield from (_ntuples if old.fClassName == "ROOT::RNTuple" else _trees)(name, tree, after[name], rel)


def _trees(name: str, before: Any, after: Any, rel: float) -> Iterator[str]:
    if (before.title, before.num_entries) != (after.title, after.num_entries):
        yield f"{name}: title or entries"
    old, new = _branches(before), _branches(after)
    if [place for place, _ in old] != [place for place, _ in new]:
        lost = {b.name for _, b in old} ^ {b.name for _, b in new}
        yield f"{name}: branches {sorted(lost) or 'in another order'}"
    known = dict(new)
    for place, branch in old:
        other = known.get(place)
        if other is None:
            continue
        for what, show in _SHOWN.items():
            x, y = _safe(show, branch), _safe(show, other)
            if x != y:
                yield f"{name}/{branch.name}: {what} {x}, {y} restored"
        if not _same_values(branch, other, rel):
            yield f"{name}/{branch.name}: values"


def _branches(tree: Any, place: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    found = []
    for number, branch in enumerate(tree.branches):
        here = (*place, number, branch.name)
        found += [(here, branch), *_branches(branch, here)]
    return found


_SHOWN: dict[str, Callable[[Any], Any]] = {
    "title": lambda branch: branch.title,
    "type": lambda branch: branch.typename,
    "interpretation": lambda branch: re.sub(r" at 0x[0-9a-f]+", "", repr(branch.interpretation)),
    "entries": lambda branch: branch.num_entries,
    "leaves": lambda branch: [(leaf.member("fName"), leaf.member("fTitle")) for leaf in branch.member("fLeaves")],
    "counter": lambda branch: branch.count_branch.name if branch.count_branch else None,
}


def _own_names(file: Any) -> tuple[str, str]:
    """Name and title as the file itself says them."""
    chunk = file.chunk(file.fBEGIN, min(file.fBEGIN + (1 << 16), file.fEND))
    key = uproot.reading.ReadOnlyKey(chunk, uproot.source.cursor.Cursor(file.fBEGIN), {}, file, file, read_strings=True)
    return key.fName, key.fTitle


def _algorithm(code: int) -> str:
    """What a file's setting means: old ones of one digit are levels of zlib; LZMA is restored as the quicker Zstandard."""
    names = {0: "zlib", 1: "zlib", 2: "zstd", 4: "lz4", 5: "zstd"}
    return names.get(code // 100, "other") if code % 100 else "none"


_OF_FILE: dict[str, Callable[[Any], Any]] = {
    "title": lambda file: _own_names(file)[1],
    "compression": lambda file: _algorithm(int(file.fCompress)),
}


def _safe(show: Callable[[Any], Any], branch: Any) -> Any:
    try:
        return show(branch)
    except Exception as error:
        return type(error).__name__


def _same_values(before: Any, after: Any, rel: float) -> bool:
    if _same_baskets(before, after):
        return True  # uproot takes minutes to make Python objects of the metadata of some experiments
    try:
        x = before.array(library="ak")
    except Exception:  # not readable by uproot: the bytes of its baskets
        return _baskets(before) == _baskets(after)
    return _alike(x, after.array(library="ak"), rel)


def _baskets(branch: Any) -> bytes:
    try:
        count = branch.num_baskets
    except uproot.DeserializationError:  # uproot cannot read what lies embedded in the tree itself
        count = branch.member("fWriteBasket")
    return b"".join(np.asarray(branch.basket(number).data).tobytes() for number in range(count))


def _same_baskets(before: Any, after: Any) -> bool:
    """Whether the bytes of all entries are the same, each at its place."""
    try:
        if before.interpretation.cache_key != after.interpretation.cache_key:
            return False
        parts = [[branch.basket(n) for n in range(branch.num_baskets)] for branch in (before, after)]
    except Exception:  # uproot and the codecs raise many kinds
        return False
    shown = [[(bytes(b.data), _listed(b.byte_offsets), b.num_entries) for b in part] for part in parts]
    return shown[0] == shown[1]


def _listed(offsets: Any) -> list[int] | None:
    return None if offsets is None else np.asarray(offsets).tolist()


def _alike(x: Any, y: Any, rel: float) -> bool:
    x, y = ak.to_packed(x), ak.to_packed(y)
    if str(ak.type(x)) != str(ak.type(y)):
        return False
    (_, _, old), (_, _, new) = ak.to_buffers(x), ak.to_buffers(y)
    return old.keys() == new.keys() and all(_close(old[key], new[key], rel) for key in old)


def _close(x: np.ndarray, y: np.ndarray, rel: float) -> bool:
    if np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y).tobytes():
        return True
    if not rel or x.dtype.kind != "f" or x.shape != y.shape:
        return False
    with np.errstate(all="ignore"):
        inside = np.abs(y.astype("g") - x.astype("g")) <= rel * _SLACK * np.abs(x.astype("g"))
    return bool((inside | (x == y) | (np.isnan(x) & np.isnan(y))).all())


def _ntuples(name: str, before: Any, after: Any, rel: float) -> Iterator[str]:
    fields = [
        [(f.field_name, f.type_name, int(f.struct_role), f.parent_field_id, f.field_desc) for f in tuple_.field_records]
        for tuple_ in (before, after)
    ]
    if fields[0] != fields[1] or before.num_entries != after.num_entries:
        yield f"{name}: fields or entries"
    for key in before.keys():  # noqa: SIM118 (an RNTuple is no dict)
        try:
            values = before[key].array()
        except Exception:
            continue
        if not _alike(values, after[key].array(), rel):
            yield f"{name}/{key}: values"
