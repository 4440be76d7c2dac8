"""Builds the table of a tile-compressed image of floats from the whole numbers that they were decoded from."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from baler_fits.headers import CARD, Keywords, cards_of, keyword_of, set_values
from baler_fits.quantisation import Quantisation, tile_slices
from baler_fits.units import table_unit

NUMBERS, FLOATS = "COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"
_COPIED = ("ZSCALE", "ZZERO", "ZBLANK")
LARGEST_PLACE = 2**31 - 1


def compress_numbers(
    header: str,
    pixels: np.ndarray,
    quantisation: Quantisation,
    tile: tuple[int, ...],
    encode: Callable[[np.ndarray], tuple[str, BinaryIO]],
    folder: Path,
) -> tuple[str, BinaryIO] | None:
    """The table and heap of an image: tiles whose pixels follow from whole numbers hold those, the others gzipped floats.

    Parameters
    ----------
    header
        Cards of the original compressed HDU.
    tile
        The size of a tile, slowest axis first.
    encode
        Compresses an image of int32 into a header and a file with its table and heap.

    Returns
    -------
    tuple or None
        The header, brought up to date, and a temporary file; None where another way must be found.
    """
    numbers = np.zeros(pixels.shape, np.int32)
    loose: dict[int, np.ndarray] = {}
    places = list(tile_slices(pixels.shape, tile))
    for n, place in enumerate(places):
        found = quantisation.numbers(n, pixels[place])
        if found is None:
            loose[n] = pixels[place]
        else:
            numbers[place] = found
    if len(loose) == len(places) and FLOATS not in header:
        return None  # nothing speaks for the old compression
    if loose and FLOATS not in header:
        header = _with_floats(header)
    encoded_header, encoded = encode(numbers)
    with encoded:
        return _assembled(header, encoded_header, encoded, loose, quantisation, folder)


def _assembled(
    header: str,
    encoded_header: str,
    encoded: BinaryIO,
    loose: dict[int, np.ndarray],
    quantisation: Quantisation,
    folder: Path,
) -> tuple[str, BinaryIO] | None:
    """Put tiles, scales and floats together."""
    unit, source = table_unit(Keywords(header)), table_unit(Keywords(encoded_header))
    column = {field.name: n for n, field in enumerate(unit.fields)}
    encoded.seek(0)
    rows = np.frombuffer(encoded.read(source.rows * source.row_bytes), source.row_dtype)["f0"].astype(np.int64)
    table = np.zeros(unit.rows, unit.row_dtype)
    for name, values in zip(_COPIED, (quantisation.scales, quantisation.zeros, quantisation.blanks), strict=True):
        if name in column:
            table[f"f{column[name]}"] = values
    data = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the caller closes it)
    data.seek(unit.rows * unit.row_bytes)
    at, longest, itemsize = 0, dict.fromkeys((NUMBERS, FLOATS), 0), source.fields[0].stored.itemsize
    for n in range(unit.rows):
        if n in loose:
            name, size = FLOATS, 1
            piece = gzip.compress(np.ascontiguousarray(loose[n]).tobytes(), mtime=0)
        else:
            name, size = NUMBERS, itemsize
            encoded.seek(source.heap + int(rows[n, 1]))
            piece = encoded.read(int(rows[n, 0]) * itemsize)
        table[f"f{column[name]}"][n] = (len(piece) // size, at)
        longest[name] = max(longest[name], len(piece) // size)
        data.write(piece)
        at += len(piece)
        if at > LARGEST_PLACE:
            data.close()
            return None
    data.seek(0)
    data.write(table.tobytes())
    values: dict[str, int | str] = {"PCOUNT": at}
    keywords = Keywords(header)
    for name, most in longest.items():
        if name in column and keywords.text(f"TFORM{unit.fields[column[name]].column}").endswith(")"):
            form = f"TFORM{unit.fields[column[name]].column}"
            values[form] = f"{keywords.text(form).partition('(')[0]}({most})"
    if keywords.get("THEAP") is not None:
        values["THEAP"] = unit.rows * unit.row_bytes
    changed = {key: value for key, value in values.items() if keywords.get(key) != value}
    return set_values(header, changed), data


def _with_floats(header: str) -> str:
    """The header with one more column, for tiles that are kept as floats."""
    keywords = Keywords(header)
    n = keywords.whole("TFIELDS") + 1
    cards = cards_of(header)
    last = max(place for place, card in enumerate(cards) if keyword_of(card) in (f"TFORM{n - 1}", f"TTYPE{n - 1}"))
    new = [
        f"{f'TTYPE{n}':<8}= '{FLOATS}' / label for field {n}",
        f"{f'TFORM{n}':<8}= '1PB(0)  '           / data format of field: variable length array",
    ]
    wider = {"TFIELDS": n, "NAXIS1": keywords.whole("NAXIS1") + 8}
    return set_values("".join([*cards[: last + 1], *(f"{card:<{CARD}}" for card in new), *cards[last + 1 :]]), wider)
