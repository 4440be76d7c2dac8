"""Compares two HDF5 or NetCDF files as h5py and netCDF4 show them: objects, types, attributes, storage, values, masks."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

_BITSHUFFLE = 32008
_SLACK = 1 + 1e-9


def hdf5_differences(original: Path, restored: Path, rel: float) -> Iterator[str]:
    """Tell what differs, apart from floats within a relative bound (0: none)."""
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    warnings.simplefilter("ignore")
    if h5py.is_hdf5(original):
        with h5py.File(original) as before, h5py.File(restored) as after:
            if before.userblock_size != after.userblock_size:
                yield f"user block of {before.userblock_size} bytes, {after.userblock_size} restored"
            yield from _groups(before, after, rel, set())
    found = _as_netcdf(original, restored, rel)
    if found is None and _as_netcdf(original, original, 0.0) is not None:
        yield "netCDF's library ends in a signal, which it does not for the original"
    yield from found or ()


def _as_netcdf(original: Path, restored: Path, rel: float) -> list[str] | None:
    """What netCDF4 tells of differences, in a process of its own; None if its library ends in a signal, as it may on plain HDF5."""
    words = [sys.executable, __file__, str(original), str(restored), str(rel)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return None
    return list(json.loads(done.stdout)) if not done.returncode else [f"cannot be compared: {done.stderr[-300:]}"]


def _netcdf_differences(original: str, restored: str, rel: float) -> Iterator[str]:
    try:
        before = netCDF4.Dataset(original)
    except (OSError, RuntimeError):
        return
    with before, netCDF4.Dataset(restored) as after:
        yield from _netcdf_groups(before, after, rel)


def _groups(before: h5py.Group, after: h5py.Group, rel: float, seen: set[Any]) -> Iterator[str]:
    yield from _attributes(before, after)
    if list(before) != list(after):
        yield f"{before.name}: {sorted(set(before) ^ set(after)) or 'another order'}"
    for name in set(before) & set(after):
        links = [group.get(name, getlink=True) for group in (before, after)]
        if type(links[0]) is not type(links[1]):
            yield f"{before.name}/{name}: a link of another kind"
        if not isinstance(links[0], h5py.HardLink):
            if vars(links[0]) != vars(links[1]):
                yield f"{before.name}/{name}: another link"
            continue
        x, y = before[name], after[name]
        if x.id.__hash__() in seen:
            continue
        seen.add(x.id.__hash__())
        if type(x) is not type(y):
            yield f"{x.name}: another kind of object"
        elif isinstance(x, h5py.Group):
            yield from _groups(x, y, rel, seen)
        elif isinstance(x, h5py.Dataset):
            yield from _datasets(x, y, rel)


def _datasets(before: h5py.Dataset, after: h5py.Dataset, rel: float) -> Iterator[str]:
    yield from _attributes(before, after)
    for what in ("shape", "dtype", "maxshape", "chunks", "fillvalue", "is_virtual"):
        x, y = (_resolved(_safe(dataset, what), dataset.file) for dataset in (before, after))
        if repr(x) != repr(y):
            yield f"{before.name}: {what} {x}, {y} restored"
    filters = [_filters(dataset) for dataset in (before, after)]
    if filters[0] != filters[1]:
        yield f"{before.name}: filters {filters[0]}, {filters[1]} restored"
    try:
        x, y = before[()], after[()]
    except (OSError, KeyError, TypeError, ValueError):
        return
    x, y = _resolved(x, before.file), _resolved(y, after.file)
    if not _alike(x, y, rel) and not (rel and _alike(_unpacked(x, before), _unpacked(y, after), rel)):
        yield f"{before.name}: values"


def _unpacked(values: Any, dataset: h5py.Dataset) -> Any:
    """Whole numbers as the real ones that scale and offset of NetCDF make of them; other values as they are."""
    scale, offset = (np.ravel(dataset.attrs.get(name, ())) for name in ("scale_factor", "add_offset"))
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or not (scale.size or offset.size):
        return values
    sign = {"true": "u", "false": "i"}.get(str(np.ravel(dataset.attrs.get("_Unsigned", ""))[:1].astype("U")[0]).lower())
    if sign:
        values = values.view(values.dtype.str.replace(values.dtype.kind, sign))
    return values.astype("f8") * (scale[0] if scale.size else 1.0) + (offset[0] if offset.size else 0.0)


def _resolved(value: Any, file: h5py.File) -> Any:
    """References as the paths that they lead to, since what they lead to has another address; other values as they are."""
    if isinstance(value, np.ndarray) and h5py.check_dtype(ref=value.dtype):
        return np.array([_resolved(cell, file) for cell in value.reshape(-1)], object).reshape(value.shape)
    if not isinstance(value, h5py.Reference):
        return value
    try:
        return str(file[value].name) if value else ""
    except ValueError:  # what it leads to is gone
        return ""


def _safe(dataset: h5py.Dataset, what: str) -> Any:
    try:
        return getattr(dataset, what)
    except (RuntimeError, OSError, ValueError, TypeError):
        return None


def _filters(dataset: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
    plist = dataset.id.get_create_plist()
    found = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    # bitshuffle puts its own version first, whatever it is asked for
    return [(int(code), tuple(values[2:] if code == _BITSHUFFLE else values)) for code, _, values, _ in found]


def _attributes(before: Any, after: Any) -> Iterator[str]:
    if set(before.attrs) != set(after.attrs):
        yield f"{before.name}: attributes {sorted(set(before.attrs) ^ set(after.attrs))}"
    for name in set(before.attrs) & set(after.attrs):
        try:
            x, y = before.attrs[name], after.attrs[name]
        except (OSError, TypeError, ValueError):
            continue
        if isinstance(x, np.ndarray) and x.dtype.hasobject and x.dtype.names:
            continue
        if not _alike(_resolved(x, before.file), _resolved(y, after.file), 0.0):
            yield f"{before.name}: attribute {name}: {x!r}, {y!r} restored"


def _alike(x: Any, y: Any, rel: float) -> bool:
    """Whether values are the same, bit for bit, or floats within the bound."""
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.hasobject:
        if h5py.check_dtype(ref=x.dtype) or x.dtype.names:
            return True  # what references point to has another address
        return all(_same_object(a, b) for a, b in zip(x.ravel(), y.ravel(), strict=True))
    if x.dtype.names:  # not what lies between the members
        return all(_alike(x[name], y[name], rel) for name in x.dtype.names)
    if np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y).tobytes():
        return True
    if not rel or x.dtype.kind != "f":
        return False
    with np.errstate(all="ignore"):
        inside = np.abs(y.astype("g") - x.astype("g")) <= rel * _SLACK * np.abs(x.astype("g"))
    return bool((inside | (x == y) | (np.isnan(x) & np.isnan(y))).all())


def _same_object(x: Any, y: Any) -> bool:
    """Whether elements of object arrays are the same: text, sequences, references to whatever address."""
    if isinstance(x, (h5py.Reference, h5py.RegionReference)):
        return type(x) is type(y)
    return _alike(x, y, 0.0) if isinstance(x, np.ndarray) else bool(x == y)


def _netcdf_groups(before: Any, after: Any, rel: float) -> Iterator[str]:
    sizes = [{n: (len(d), d.isunlimited()) for n, d in group.dimensions.items()} for group in (before, after)]
    if sizes[0] != sizes[1]:
        yield f"{before.path}: dimensions {sizes[0]}, {sizes[1]} restored"
    if before.data_model != after.data_model:
        yield f"{before.path}: {before.data_model}, {after.data_model} restored"
    for name in before.variables.keys() & after.variables.keys():
        x, y = before[name], after[name]
        if x.ncattrs() != y.ncattrs() or x.dimensions != y.dimensions or x.dtype != y.dtype:
            yield f"{before.path}{name}: attributes, dimensions or type"
            continue
        try:
            masks = [np.ma.getmaskarray(variable[...]) for variable in (x, y)]
            x.set_auto_maskandscale(False)
            y.set_auto_maskandscale(False)
            raw = x[...], y[...]
        except (RuntimeError, IndexError, TypeError, OSError, ValueError):
            continue
        if not np.array_equal(*masks):
            yield f"{before.path}{name}: {int((masks[0] != masks[1]).sum())} values changed between valid and missing"
        # h5py has compared those of HDF5, and knows what was never written
        is_classic, packed = before.data_model.startswith("NETCDF3"), "scale_factor" in x.ncattrs()
        if is_classic and not packed and not _alike(*raw, rel):
            yield f"{before.path}{name}: values"
    if before.variables.keys() != after.variables.keys():
        yield f"{before.path}: variables {sorted(before.variables.keys() ^ after.variables.keys())}"
    for name in before.groups.keys() & after.groups.keys():
        yield from _netcdf_groups(before[name], after[name], rel)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    print(json.dumps(list(_netcdf_differences(sys.argv[1], sys.argv[2], float(sys.argv[3])))))
