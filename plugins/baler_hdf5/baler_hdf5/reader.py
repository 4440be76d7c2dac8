"""Define the readers `hdf5` and `netcdf`, which open or create a file by its first bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from baler_core import (
    Block,
    Cut,
    DataError,
    Exported,
    FormatError,
    Options,
    Reader,
    Rounded,
    Schema,
    Shown,
    Sink,
    Source,
)

HDF4 = b"\x0e\x03\x13\x01"
OLD_MATLAB = b"MATLAB 5"
CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")


class ReadingOptions(Options):
    """Options of both readers."""

    allow_missing: bool = Field(
        default=False,
        description="Leave out datasets that cannot be read, with a warning, instead of refusing the file.",
    )


class _StoredAlike(Reader):
    """What both readers do with a file whose schema is known: the skeleton tells the format."""

    Options = ReadingOptions

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file at `path` as `schema` describes it."""
        return create_sink(path, schema)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe a file of fewer datasets or rows; coordinates come along."""
        from baler_hdf5.schema.cutting import cut_file

        return cut_file(schema, whole)

    def exported(self, schema: Schema, lossy: Mapping[str, Rounded], sample: Block) -> Exported | None:
        """Describe a file whose lossy datasets are in chunks, shuffled and deflated, which every HDF5 library reads."""
        from baler_hdf5.schema.exporting import exported_file

        return exported_file(schema, lossy)

    def shown(self, schema: Schema) -> Shown | None:
        """Return how netCDF4 and xarray show the file."""
        return shown_file(schema)


class Hdf5Reader(_StoredAlike):
    """HDF5 files of any kind, MATLAB's since version 7.3 among them."""

    name = "hdf5"
    summary = "HDF5: groups, datasets of any rank and type, attributes, dimension scales (h5py)"
    # with those of NeXus, Neurodata Without Borders, AnnData, Loom, Julia, coherent X-ray imaging, CGNS (flows), Athena++,
    # visibilities (UVH5), infrared spectroscopy of brains (SNIRF), sequencing and chromosomes (FAST5, Cooler)
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".h5", ".hdf5", ".he5", ".hdf", ".h4", ".hdf4", ".mat"),  # HDF4 is refused with what to do
        *(".nxs", ".nexus", ".nwb", ".h5ad", ".loom", ".jld2", ".cxi"),
        *(".cgns", ".athdf", ".uvh5", ".snirf", ".fast5", ".cool", ".mcool"),
    )

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file without reading values."""
        from baler_hdf5.source import Hdf5Source

        require_hdf5(path, first_bytes(path))
        return Hdf5Source(path, variables, allow_missing=self.options.allow_missing)


class NetcdfReader(_StoredAlike):
    """NetCDF files: NetCDF-4 (which are HDF5) and the classic formats."""

    name = "netcdf"
    summary = "NetCDF-4 and classic NetCDF: dimensions, coordinates, packing and fill values kept"
    # with those of Exodus II (meshes of finite elements) and SOFA (spatial acoustics)
    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4", ".cdf", ".exo", ".ex2", ".e", ".g", ".sofa")

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file without reading values."""
        start = first_bytes(path)
        if start[:4] in CLASSIC:
            from baler_hdf5.classic.source import ClassicSource

            return ClassicSource(path, variables)
        from baler_hdf5.source import Hdf5Source

        require_hdf5(path, start)
        return Hdf5Source(path, variables, allow_missing=self.options.allow_missing, netcdf=True)

    def finish_export(self, path: Path, schema: Schema, lossy: Mapping[str, Rounded]) -> None:
        """Say by attributes of the CF conventions that values were rounded."""
        from baler_hdf5.schema.exporting import note_quantization

        note_quantization(path, schema, {name: how for name, how in lossy.items() if how.step or how.bits})


def first_bytes(path: Path) -> bytes:
    """Return the first eight bytes of a file.

    Raises
    ------
    DataError
        If it is not there or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror or error})") from error


def require_hdf5(path: Path, start: bytes) -> None:
    """Refuse a file without HDF5's signature (which may lie behind a block of the user's own)."""
    import h5py

    if h5py.is_hdf5(path):
        return
    if not start:
        raise DataError(f"{path}: the file is empty")
    if start.startswith(OLD_MATLAB):
        raise DataError(
            f"{path}: a MATLAB file older than version 7.3, which is not HDF5: read it with scipy.io.loadmat and write "
            "it as .npz, or save it again in MATLAB with '-v7.3'"
        )
    if start.startswith(HDF4):
        raise DataError(
            f"{path}: an HDF4 file: convert it to HDF5 with h4toh5, or keep it byte for byte with 'reader: whole_file'"
        )
    if start[:4] in CLASSIC:
        raise DataError(f"{path}: a classic NetCDF file; choose the reader 'netcdf'")
    raise DataError(f"{path}: neither HDF5 nor NetCDF; it begins with the bytes {start!r}")


def create_sink(path: Path, schema: Schema) -> Sink:
    """Return the sink for whichever format the skeleton is of.

    Raises
    ------
    FormatError
        If the skeleton is damaged or not of this plugin.
    """
    from baler_hdf5.classic.sink import ClassicSink
    from baler_hdf5.contents.guard import refusing_damaged_records
    from baler_hdf5.sink import Hdf5Sink

    sinks: dict[object, type[Hdf5Sink] | type[ClassicSink]] = {"hdf5": Hdf5Sink, "netcdf3": ClassicSink}
    kind = schema.skeleton.get("format")
    if not isinstance(kind, str) or kind not in sinks:
        raise FormatError(f"the record of the original file is of the format {kind!r}, wanted hdf5 or netcdf3")
    with refusing_damaged_records():
        return sinks[kind](path, schema)


def shown_file(schema: Schema) -> Shown:
    """Return how netCDF4 and xarray show the file of a schema, whichever format it is of."""
    from baler_hdf5.classic.shown import shown_classic
    from baler_hdf5.contents.guard import refusing_damaged_records
    from baler_hdf5.schema.shown import shown_hdf5

    with refusing_damaged_records():
        return (shown_classic if schema.skeleton.get("format") == "netcdf3" else shown_hdf5)(schema)
