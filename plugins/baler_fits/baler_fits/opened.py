"""Open .bal files as astropy's HDUList, Table and CCDData. Importing it teaches `Table.read` the format `baler`."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import baler_core
from baler_core import ConfigError, DataError, open_one
from baler_fits.virtual import virtual_fits

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData
    from astropy.table import Table

FORMAT = "baler"
_READING = ("readonly", "denywrite", "copyonwrite")
SIGNATURE = b"SIMPLE  ="


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB", **options: Any) -> HDUList:
    """Open a `.bal` file that was made of a FITS file as `astropy.io.fits.open` opens that.

    Headers are those of the original. Values are restored when `data` or `section` asks for them; a tile-compressed
    image shows as the image.

    Parameters
    ----------
    path
        A path, an address that fsspec opens, the bytes of a file, or a binary file object.
    trained
        The file of trained models that it refers to.
    cache
        How many bytes of restored values are kept for the next question.
    options
        More arguments of `astropy.io.fits.open`; `memmap` changes nothing, since there is no file of pixels to map.

    Raises
    ------
    DataError
        If it was not made of a FITS file.
    ConfigError
        If it is to be changed: `mode="update"`.
    """
    from astropy.io import fits

    register()  # of what has been imported since
    if options.get("mode", "readonly") not in _READING:
        raise ConfigError(f"{path}: mode={options['mode']!r}: a .bal file is read only; write the HDUs to a FITS file")
    options["memmap"] = False
    source = _bytes_of(path, trained, cache)
    try:
        hdus: HDUList = fits.open(source, **options)
    except BaseException:
        source.close()
        raise
    return hdus


def _bytes_of(path: Any, trained: str | Path | None = None, cache: str | int = "256 MB") -> io.IOBase:
    """Return a file of the bytes of the FITS file, of which most are restored when they are read."""
    file = open_one(path, trained=trained, cache=cache)
    if kept := file.kept_whole(SIGNATURE):
        file.close()
        return io.BytesIO(kept)
    try:
        if file.reader != "fits":
            raise DataError(
                f"{file.path}: was made by the reader {file.reader!r}, not of a FITS file: use baler_core.open"
            )
        return virtual_fits(file, path, trained)
    except BaseException:
        file.close()
        raise


def read_table(path: Any, hdu: int | str | None = None, **options: Any) -> Table:
    """Return a table of a `.bal` file: of an HDU, of a table of astropy or pandas, or of a text table.

    Parameters
    ----------
    hdu
        Number or name of the HDU of a FITS file; None takes the first table.

    Raises
    ------
    DataError
        If it holds no table.
    """
    from astropy.table import QTable, Table

    with open_one(path) as file:
        reader, where = file.reader, file.path
        kind = file.schema.skeleton.get("kind")
    if reader == "fits":
        # As `Table.read` opens a FITS file: text is bytes, and missing where it is empty; what is mapped is left as it is.
        if options.pop("memmap", False):
            options |= {"mask_invalid": False, "strip_spaces": False}
        with open(path, character_as_bytes=options.pop("character_as_bytes", True)) as hdus:
            return Table.read(hdus, hdu=hdu, format="fits", **options)
    if hdu is not None:
        raise DataError(f"{where}: was made by the reader {reader!r} and has no HDUs: leave out hdu={hdu!r}")
    found = baler_core.open(path, as_="original") if reader == "python" and kind == "astropy" else None
    if isinstance(found, Table):
        return found if isinstance(found, QTable) else Table(found, copy=False)
    return Table.from_pandas(baler_core.open(path, as_="pandas"))


def _read_ccd(path: Any, **options: Any) -> CCDData:
    """Return an image of a `.bal` file with its WCS, mask and uncertainty; options are those of `CCDData.read` for FITS."""
    from astropy.nddata import CCDData

    with _bytes_of(path) as source:
        found: CCDData = CCDData.read(source, format="fits", **options)
    return found


def _is_ours(origin: str, path: str | None, fileobj: Any, *args: Any, **options: Any) -> bool:
    name = path if path is not None else args[0] if args and isinstance(args[0], str | os.PathLike) else None
    return name is not None and os.fspath(name).lower().endswith(".bal")


def _write_table(table: Table, path: Any, *, overwrite: bool = False, **options: Any) -> None:
    """Compress a table: `table.write("x.bal", bounds={"flux": {"rel": 1e-3}})`."""
    if Path(path).exists() and not overwrite:
        raise OSError(f"{path}: is there already: write it with overwrite=True")
    baler_core.compress(table, path, overwrite=overwrite, **options)


def register() -> None:
    """Teach astropy's unified reading and writing the format; once."""
    from astropy.io import registry
    from astropy.table import Table

    if FORMAT not in registry.get_formats(Table)["Format"]:
        registry.register_reader(FORMAT, Table, read_table)
        registry.register_writer(FORMAT, Table, _write_table)
        registry.register_identifier(FORMAT, Table, _is_ours)
    nddata = sys.modules.get("astropy.nddata")  # which takes long to import
    if nddata is not None and FORMAT not in registry.get_formats(nddata.CCDData)["Format"]:
        registry.register_reader(FORMAT, nddata.CCDData, _read_ccd)
        registry.register_identifier(FORMAT, nddata.CCDData, _is_ours)


register()
