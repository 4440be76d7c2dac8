"""Name the dimensions of arrays: as the store does, else by their place and length."""

from __future__ import annotations

from collections.abc import Sequence

from baler_zarr.contents.arrays import ArrayRecord


def dimensions_of(arrays: Sequence[ArrayRecord]) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """Return the dimensions of each array by its path, and the length of every dimension.

    A name means one dimension in the whole store as long as all lengths agree; otherwise it has its group in front.
    Dimensions without a name are shared by arrays that are equally long along the same axis.
    """
    lengths: dict[str, set[int]] = {}
    for one in arrays:
        for name, length in zip(one.dimension_names(), one.meta["shape"], strict=True):
            if name is not None:
                lengths.setdefault(name, set()).add(length)
    dims: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    for one in arrays:
        found = []
        for axis, (name, length) in enumerate(zip(one.dimension_names(), one.meta["shape"], strict=True)):
            group = one.path.rpartition("/")[0]
            wanted = f"axis{axis}_{length}" if name is None else name
            if name is not None and len(lengths[name]) > 1 and group:
                wanted = f"{group}/{name}"
            while sizes.get(wanted, length) != length or wanted in found:
                wanted += "_"
            sizes[wanted] = length
            found.append(wanted)
        dims[one.path] = tuple(found)
    return dims, sizes
