"""Offer .bal files to xarray: the engine `baler`, and `ds.baler.to_file`. Importing it registers the accessors."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

# Nothing of baler_core's own is imported before a file is opened: xarray imports this module to learn what it can open.
MAGIC = b"\x89BAL"


class BalerBackendEntrypoint(BackendEntrypoint):  # type: ignore[misc, unused-ignore]
    """Opens `.bal` files, whatever their originals were, and manifests of many; values are restored when they are used."""

    description = "Open .bal files (learned, error-bounded compression) with the engine `baler`"
    supports_groups = True
    open_dataset_parameters = (
        "filename_or_obj",
        "mask_and_scale",
        "decode_times",
        "concat_characters",
        "decode_coords",
        "drop_variables",
        "use_cftime",
        "decode_timedelta",
        "group",
        "trained",
        "cache_size",
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a path ends in `.bal` or `.balset`, or bytes or a file object begin like such a file."""
        if isinstance(filename_or_obj, bytes | memoryview):
            return bytes(filename_or_obj[: len(MAGIC)]) == MAGIC
        if isinstance(filename_or_obj, str | os.PathLike):
            return os.fspath(filename_or_obj).lower().endswith((".bal", ".balset"))
        if isinstance(filename_or_obj, io.IOBase) and filename_or_obj.seekable():
            place = filename_or_obj.tell()
            start = filename_or_obj.read(len(MAGIC))
            filename_or_obj.seek(place)
            return start == MAGIC
        return False

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        group: str | None = None,
        trained: str | Path | None = None,
        cache_size: str | int = "256 MB",
        **decoding: Any,
    ) -> xr.Dataset:
        """Return the variables of one group, decoded by CF conventions as those of the original would be.

        Parameters
        ----------
        group
            Path of a group; None is the root.
        trained
            The file of trained models that the file refers to; without it, that is looked for beside it.
        cache_size
            How many bytes of restored values are kept for the next question; `cache` is an argument of xarray's own.
        decoding
            How attributes become values (`mask_and_scale`, `decode_times` ...), and `drop_variables`, as in xarray.

        Raises
        ------
        OSError
            If the file is not there, is no `.bal` file, or is damaged; there is no such group.
        """
        if unknown := [name for name in decoding if name not in self.open_dataset_parameters]:
            raise TypeError(f"open_dataset() got an unexpected keyword argument {unknown[0]!r}")
        if _is_manifest(filename_or_obj):
            from baler_core.doors.xarray_joined import open_joined

            return open_joined(filename_or_obj, group, decoding, trained=trained, cache=cache_size)
        from baler_core.doors.xarray_store import open_group

        return open_group(filename_or_obj, group, decoding, trained=trained, cache=cache_size)

    def open_groups_as_dict(self, filename_or_obj: Any, *, group: str | None = None, **options: Any) -> dict[str, Any]:
        """Return the datasets of all groups by path; arguments as of `open_dataset`."""
        trained, cache = options.pop("trained", None), options.pop("cache_size", "256 MB")
        if _is_manifest(filename_or_obj):
            from baler_core.doors.xarray_joined import open_joined_groups

            return open_joined_groups(filename_or_obj, group, options, trained=trained, cache=cache)
        from baler_core.doors.xarray_store import open_groups

        return open_groups(filename_or_obj, group, options, trained=trained, cache=cache)

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """Return all groups as a tree; arguments as of `open_dataset`."""
        groups = self.open_groups_as_dict(filename_or_obj, **options)
        tree: xr.DataTree = xr.DataTree.from_dict(groups)
        for path, dataset in groups.items():
            tree[path].set_close(dataset._close)
        return tree


def _is_manifest(place: Any) -> bool:
    """Return whether a path is that of the manifest of many files."""
    return isinstance(place, str | os.PathLike) and os.fspath(place).lower().endswith(".balset")


@xr.register_dataarray_accessor("baler")  # type: ignore[no-untyped-call, unused-ignore]
@xr.register_dataset_accessor("baler")  # type: ignore[no-untyped-call, unused-ignore]
class BalerAccessor:
    """`ds.baler` and `ds["u"].baler`: what baler does with a dataset or an array."""

    def __init__(self, data: xr.Dataset | xr.DataArray) -> None:
        self._data = data

    def to_file(
        self,
        path: str | Path,
        *,
        bounds: str | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Write the data as a `.bal` file, which `xr.open_dataset` opens again.

        Parameters
        ----------
        bounds
            The error that each variable may have, as for `baler_core.compress`; None allows none.
        options
            More arguments of `baler_core.compress`.

        Returns
        -------
        What `baler_core.compress` returns: sizes, and the largest error of each variable.

        Raises
        ------
        BalerError
            If something cannot be stored, or a bound cannot be used.
        """
        from baler_core.api.calls import compress

        return compress(self._data, path, bounds=bounds, **options)
