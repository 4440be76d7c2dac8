"""The filters of HDF5 datasets: which can be read, which are written again with their parameters, and which lose digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from baler_hdf5.contents.datatypes import Json

if TYPE_CHECKING:
    from h5py import h5d, h5p

# Registered numbers (HDF Group, "Registered Filter Plugins") of filters that return what they were given.
LOSSLESS = {
    1: "deflate",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    5: "nbit",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32015: "zstd",
    32026: "blosc2",
}
SCALEOFFSET, BITSHUFFLE, JPEGLS, BLOSC2 = 6, 32008, 32018, 32026
# Parameters of bitshuffle before the user's own: its version and the size of elements, which it sets by itself.
BITSHUFFLE_OWN = 3
# Those of JPEG-LS before the user's own: bytes of a sample and the shape of chunks. Behind are bits of a sample, components,
# how these are interleaved, and the largest error (`jls_filter_parameters_t` of the FCIDECOMP software).
JPEGLS_OWN, JPEGLS_BITS, JPEGLS_ERROR = 4, 4, 7
# What hdf5plugin says of a filter that HDF5 has found without it.
_FOUND_ELSEWHERE = "unknown"
# Filters that the package hdf5plugin brings.
IN_HDF5PLUGIN = frozenset({307, 32001, 32004, 32008, 32013, 32015, 32017, 32018, 32024, 32026, 32028, 32033})


def describe_filters(properties: h5p.PropDCID, warn: Callable[[str], None]) -> list[Json]:
    """Return number, flags and parameters of the filters that will be set again.

    Filters that lose digits would change restored values once more: they are left off, and `warn` gets a sentence.
    """
    filters = []
    for index in range(properties.get_nfilters()):
        number, flags, parameters, name = properties.get_filter(index)
        if _is_lossless(number, parameters):
            kept = parameters[BITSHUFFLE_OWN:] if number == BITSHUFFLE else parameters
            filters.append([number, flags, list(kept)])
        else:
            warn(
                f"its filter {_called(number, name)} is left off, since it may change values when they are written again"
            )
    return filters


def _is_lossless(number: int, parameters: Sequence[int]) -> bool:
    if number == SCALEOFFSET:  # integers with as many bits as they need
        return tuple(parameters[:2]) == (2, 0)
    if number == BLOSC2:  # others of its filters truncate, others of its codecs are lossy
        return len(parameters) > 6 and parameters[5] in (0, 1, 2) and parameters[6] <= 5
    if number == JPEGLS and len(parameters) > JPEGLS_ERROR and parameters[0] in (1, 2):
        return parameters[JPEGLS_ERROR] == 0 and parameters[JPEGLS_BITS] == 8 * parameters[0]
    return number in LOSSLESS


def missing_filter(dataset: h5d.DatasetID) -> str:
    """Why a filter that reading the dataset needs is not there, and what to install; empty if none is missing."""
    properties = dataset.get_create_plist()
    for index in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(index)
        if not is_available(number) and _is_applied(dataset, index):
            advice = "pip install hdf5plugin" if number in IN_HDF5PLUGIN else "install it where HDF5_PLUGIN_PATH points"
            return f"it needs the HDF5 filter {_called(number, name)}, which is not installed ({advice})"
    return ""


def is_available(number: int) -> bool:
    """Return whether the HDF5 library has a filter, by itself or from the package hdf5plugin."""
    from h5py import h5z

    if h5z.filter_avail(number):
        return True
    try:
        import hdf5plugin  # noqa: F401 - importing it registers its filters
    except ImportError:
        return False
    return bool(h5z.filter_avail(number))


def _register(number: int) -> None:
    """Have a filter registered by hdf5plugin itself: as HDF5 finds some by `HDF5_PLUGIN_PATH`, they can only read."""
    try:
        import hdf5plugin
    except ImportError:
        return
    known = hdf5plugin.get_config().registered_filters
    for kind in hdf5plugin.get_filters(number):
        if known.get(kind.filter_name) == _FOUND_ELSEWHERE:
            with suppress(RuntimeError):  # an open dataset uses the other one
                hdf5plugin.register(kind.filter_name, force=True)


def _is_applied(dataset: h5d.DatasetID, index: int) -> bool:
    """Whether any chunk went through the filter: optional ones are skipped where they could not be applied."""
    if not hasattr(dataset, "chunk_iter"):
        return True
    applied: list[bool] = []

    def look(chunk: h5d.StoreInfo) -> bool | None:
        if not chunk.filter_mask >> index & 1:
            applied.append(True)
            return True
        return None

    dataset.chunk_iter(look)
    return bool(applied)


# What netCDF calls the compressors that it knows.
_IN_NETCDF = {1: "zlib", 4: "szip", 307: "bzip2", 32001: "blosc", 32015: "zstd"}
_BLOSC = ("blosc_blosclz", "blosc_lz4", "blosc_lz4hc", "blosc_snappy", "blosc_zlib", "blosc_zstd")


def shown_filters(filters: Sequence[Json]) -> dict[str, Json]:
    """Return the filters of a record in the words of netCDF4 and xarray."""
    shown: dict[str, Json] = dict.fromkeys(("zlib", "szip", "zstd", "bzip2", "blosc", "shuffle"), False)
    shown |= {"complevel": 0, "fletcher32": False}
    for number, _, parameters in filters:
        if number in (2, 3):
            shown["shuffle" if number == 2 else "fletcher32"] = True
        elif number == 4:
            shown["szip"] = {"coding": "nn" if parameters[0] & 32 else "ec", "pixels_per_block": parameters[1]}
        elif number == 32001 and len(parameters) > 6:
            shown["blosc"] = {"compressor": _BLOSC[parameters[6] % len(_BLOSC)], "shuffle": parameters[5]}
            shown["complevel"] = parameters[4]
        elif number in _IN_NETCDF:
            shown |= {_IN_NETCDF[number]: True, "complevel": parameters[0] if parameters else 0}
    return shown


def _called(number: int, name: bytes) -> str:
    """A filter's registered name, else what the file calls it, and its number."""
    known = {**LOSSLESS, SCALEOFFSET: "scaleoffset", 32013: "zfp", 32017: "sz", 32018: "fcidecomp", 32024: "sz3"}
    words = known.get(number) or " ".join(name.decode("utf-8", "replace").split(";")[0].split())
    return f"{words!r} (number {number})"


def set_filters(properties: h5p.PropDCID, filters: Sequence[Json]) -> None:
    """Set the filters of a record anew, except those that this machine cannot write."""
    from h5py import h5z

    for number, flags, parameters in filters:
        if not _is_lossless(number, parameters) or not is_available(number):
            continue
        if number == h5z.FILTER_SZIP and not h5z.get_filter_info(number) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
            continue
        if number in IN_HDF5PLUGIN:
            _register(number)
        _set_filter(properties, number, flags, parameters)


def _set_filter(properties: h5p.PropDCID, number: int, flags: int, parameters: list[int]) -> None:
    """One filter; what HDF5 adds to the parameters by itself (sizes, versions) is left to it."""
    from h5py import h5z

    if number == h5z.FILTER_DEFLATE:
        properties.set_deflate(parameters[0])
    elif number == h5z.FILTER_SZIP:
        properties.set_szip(parameters[0] & (4 | 32), parameters[1])
    elif number == SCALEOFFSET:
        properties.set_scaleoffset(parameters[0], parameters[1])
    elif number == JPEGLS:
        properties.set_filter(number, flags, tuple(parameters[JPEGLS_OWN:]))
    elif number in (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32):
        properties.set_filter(number, flags, ())
    else:
        properties.set_filter(number, flags, tuple(parameters))
