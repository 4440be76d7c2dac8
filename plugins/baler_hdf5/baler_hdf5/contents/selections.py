"""Parts of datasets: what region references and virtual datasets point at, as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError

if TYPE_CHECKING:
    import h5py
    from h5py import h5s

# Longer lists of points or blocks are data, which belong into datasets.
MOST_PARTS = 100_000


def describe_selection(space: h5s.SpaceID) -> Json:
    """Return what is selected in a dataspace.

    Returns
    -------
    Json
        `"all"`, `"none"`, `{"slab": [start, stride, count, block]}`, `{"points": [...]}` or `{"blocks": [[first, last], ...]}`.

    Raises
    ------
    UnsupportedTypeError
        If it grows with the dataset, or has more parts than anybody lists.
    """
    from h5py import h5s

    kind = space.get_select_type()
    if kind in (h5s.SEL_ALL, h5s.SEL_NONE):
        return "all" if kind == h5s.SEL_ALL else "none"
    if kind == h5s.SEL_POINTS:
        if space.get_select_elem_npoints() > MOST_PARTS:
            raise UnsupportedTypeError(f"a selection of more than {MOST_PARTS} points")
        return {"points": space.get_select_elem_pointlist().tolist()}
    if space.is_regular_hyperslab():
        start, stride, count, block = space.get_regular_hyperslab()
        if h5s.UNLIMITED in (*count, *block):
            raise UnsupportedTypeError("a selection that grows with its dataset")
        return {"slab": [list(map(int, part)) for part in (start, stride, count, block)]}
    if space.get_select_hyper_nblocks() > MOST_PARTS:
        raise UnsupportedTypeError(f"a selection of more than {MOST_PARTS} blocks")
    return {"blocks": space.get_select_hyper_blocklist().tolist()}


def build_selection(shape: Sequence[int], selection: Json) -> h5s.SpaceID:
    """Return a dataspace of a shape with this selected; ValueError if it does not fit."""
    from h5py import h5s

    space = h5s.create_simple(tuple(shape)) if shape else h5s.create(h5s.SCALAR)
    if selection == "none":
        space.select_none()
    elif selection != "all" and "points" in selection:
        space.select_elements(np.array(selection["points"], np.uint64).reshape(-1, len(shape)))
    elif selection != "all" and "slab" in selection:
        start, stride, count, block = map(tuple, selection["slab"])
        space.select_hyperslab(start, count, stride, block)
    elif selection != "all":
        space.select_none()
        for first, last in selection["blocks"]:
            size = tuple(b - a + 1 for a, b in zip(first, last, strict=True))
            space.select_hyperslab(tuple(first), (1,) * len(size), None, size, h5s.SELECT_OR)
    if not space.select_valid():
        raise ValueError(f"a selection beyond the shape {tuple(shape)}")
    return space


def describe_region(reference: h5py.RegionReference, file: h5py.File, path: str) -> str:
    """Return a reference to a region as text: the path of its dataset, and on a last line what is selected."""
    from h5py import h5r

    return f"{path}\n{json.dumps(describe_selection(h5r.get_region(reference, file.id)))}"


def build_region(text: str, file: h5py.File, known: set[str]) -> h5py.RegionReference:
    """Return the reference that `describe_region` described, to nothing if its dataset is not among the known."""
    from h5py import h5r

    path, _, selection = text.rpartition("\n")
    if path not in known:
        return h5r.RegionReference()
    space = build_selection(file[path].shape, json.loads(selection))
    return h5r.create(file.id, path.encode("utf-8"), h5r.DATASET_REGION, space)


def describe_sources(dataset: h5py.Dataset) -> list[Json]:
    """Where the values of a virtual dataset lie: its part, file, dataset, the shape of that, and the part of that.

    Raises
    ------
    UnsupportedTypeError
        If it grows with other files, or names them by a pattern.
    """
    from h5py import h5s

    if h5s.UNLIMITED in dataset.id.get_space().get_simple_extent_dims(True):
        raise UnsupportedTypeError("a virtual dataset that grows with other files")
    sources = []
    for each in dataset.virtual_sources():
        if "%" in each.file_name or "%" in each.dset_name:
            raise UnsupportedTypeError("a virtual dataset whose files are named by a pattern")
        parts = describe_selection(each.vspace), describe_selection(each.src_space)
        shape = [] if parts[1] == "all" else list(each.src_space.shape)
        sources.append([parts[0], each.file_name, each.dset_name, shape, parts[1]])
    return sources


def set_sources(properties: Any, shape: Sequence[int], sources: Sequence[Json]) -> None:
    """Make a dataset virtual again; what it points at is not opened."""
    for part, file, dataset, source_shape, source_part in sources:
        if "%" in file or "%" in dataset:
            raise ValueError(f"a virtual dataset of {file!r}")
        place = build_selection(shape, part)
        # HDF5 does not store the shape of a source that is taken whole, only that it is
        known = [place.get_select_npoints()] if source_part == "all" else source_shape
        source = build_selection(known, source_part)
        properties.set_virtual(place, file.encode("utf-8"), dataset.encode("utf-8"), source)
