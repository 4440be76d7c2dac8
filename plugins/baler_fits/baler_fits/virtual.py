"""Show a .bal file as the bytes of its FITS file, restored where they are read: what astropy opens is a file."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import baler_core
from baler_core import File, FormatError
from baler_fits.contents.hdus import padding_of
from baler_fits.contents.headers import header_bytes
from baler_fits.hdu_writers import HduTarget
from baler_fits.schema.skeleton import DATA_PADDING, HEADER_PADDING, TRAILING, Bones, attached_name
from baler_fits.values.numbers import to_stored

# Rows that are restored at once for readers that ask for all.
_PIECE = 16 << 20


@dataclass(frozen=True)
class Stretch:
    """Consecutive bytes.

    Attributes
    ----------
    start, size
        Where they stand in the file.
    read
        Gives some of them, by their first and last place within the stretch.
    """

    start: int
    size: int
    read: Callable[[int, int], bytes]


class VirtualFits(io.RawIOBase):
    """The bytes of a FITS file, most of which are made when they are read."""

    def __init__(self, name: str, stretches: Sequence[Stretch], file: File) -> None:
        super().__init__()
        self.name, self._file = name, file
        self._stretches = [stretch for stretch in stretches if stretch.size]
        self._starts = [stretch.start for stretch in self._stretches]
        self._size = max((stretch.start + stretch.size for stretch in self._stretches), default=0)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes from the current place on."""
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while wanted > 0:
            stretch = self._stretches[bisect_right(self._starts, self._at) - 1]
            first = self._at - stretch.start
            part = stretch.read(first, min(stretch.size, first + min(wanted, _PIECE)))
            parts.append(part)
            self._at, wanted = self._at + len(part), wanted - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Release the `.bal` file."""
        if not self.closed:
            self._file.close()
        super().close()


def virtual_fits(file: File, place: Any, trained: Any) -> io.RawIOBase | io.BytesIO:
    """Return the FITS file of an open `.bal` file.

    Tables with arrays of variable length, and data kept byte for byte, are restored at once; of images and other tables,
    tile-compressed images among them, the rows that are read.

    Raises
    ------
    FormatError
        If the record of the original is damaged.
    """
    records, attachments = file.schema.skeleton.get("hdus"), file.attachments
    if not isinstance(records, list):
        raise FormatError(f"{file.path}: the record of a FITS file is damaged")
    targets = [HduTarget(Bones.from_json(record), file.schema, io.BytesIO(), 0) for record in records]
    if any(one.pointer is not None for target in targets for one in target.unit.fields):
        return _all_at_once(file, place, trained)
    stretches: list[Stretch] = []
    at = 0
    for n, target in enumerate(targets):
        header, fill = target.bones.header, attachments.get(attached_name(n, HEADER_PADDING))
        if target.unit.kind == "tiles":
            header, fill = _image_header(header, file), None
        raw = header_bytes(header, fill)
        padding = attachments.get(attached_name(n, DATA_PADDING)) if target.unit.kind != "tiles" else None
        padding = padding_of(header, target.size) if padding is None else padding
        for size, read in ((len(raw), _of(raw)), (target.size, _rows_of(file, target)), (len(padding), _of(padding))):
            stretches.append(Stretch(at, size, read))
            at += size
    trailing = attachments.get(TRAILING, b"")
    stretches.append(Stretch(at, len(trailing), _of(trailing)))
    return VirtualFits(str(file.path), stretches, file)


def _of(raw: bytes) -> Callable[[int, int], bytes]:
    return lambda first, last: raw[first:last]


def _rows_of(file: File, target: HduTarget) -> Callable[[int, int], bytes]:
    """Return what gives bytes of an HDU's data."""
    unit, names = target.unit, list(target.bones.variables)

    def read(first: int, last: int) -> bytes:
        start, stop = first // unit.row_bytes, -(-last // unit.row_bytes)
        if len(names) == 1 and not unit.fields[0].offset and unit.fields[0].row_bytes == unit.row_bytes:
            values = file[names[0]][start:stop]
            raw = np.ascontiguousarray(to_stored(values, unit.fields[0])).tobytes()
        else:
            table = np.zeros(stop - start, unit.row_dtype)
            for n, name in enumerate(names):
                shape = (stop - start, *unit.fields[n].shape)
                table[f"f{n}"] = to_stored(file[name][start:stop], unit.fields[n]).reshape(shape)
            raw = table.tobytes()
        return raw[first - start * unit.row_bytes : last - start * unit.row_bytes]

    return read


def _image_header(header: str, file: File) -> str:
    """Return the header of a tile-compressed image as that of the image itself, as astropy shows it."""
    from astropy.io import fits

    empty = fits.Header.fromstring(header)
    empty["NAXIS2"], empty["PCOUNT"] = 0, 0
    empty.remove("THEAP", ignore_missing=True)
    primary = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    raw = header_bytes(primary.tostring(padding=False)) + header_bytes(empty.tostring(padding=False))
    with fits.open(io.BytesIO(raw)) as opened:
        image = opened[1].header.copy()
    if not image.get("NAXIS"):
        raise FormatError(f"{file.path}: the record of a tile-compressed image is damaged")
    if "SIMPLE" in image:  # it was the primary image once, and is an extension here
        image.remove("SIMPLE")
        image.remove("EXTEND", ignore_missing=True)
        image.insert(0, ("XTENSION", "IMAGE", "Image extension"))
        axes = f"NAXIS{image['NAXIS']}"
        for key, value in (("GCOUNT", 1), ("PCOUNT", 0)):
            image.remove(key, ignore_missing=True)
            image.insert(axes, (key, value), after=True)
    if "EXTNAME" not in image:  # astropy calls it so, and scripts ask for it by this name
        image["EXTNAME"] = fits.CompImageHDU().name
    text: str = image.tostring(padding=False)
    return text


def _all_at_once(file: File, place: Any, trained: Any) -> io.BytesIO:
    """Return the whole restored FITS file; of bytes or of a file object that hold the `.bal` file, too."""
    file.close()
    with TemporaryDirectory() as folder:
        restored = Path(folder) / "restored.fits"
        if not isinstance(place, str | Path):
            content, place = place, Path(folder) / "whole.bal"
            if not isinstance(content, bytes | bytearray | memoryview):
                content.seek(0)
                content = content.read()
            place.write_bytes(content)
        baler_core.decompress(place, restored, trained=trained)
        return io.BytesIO(restored.read_bytes())
