"""Build the table of a tile-compressed image of floats from the whole numbers that they were decoded from."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from baler_fits.contents.fields import Unit, table_unit
from baler_fits.contents.headers import CARD, Keywords, cards_of, keyword_of, set_values
from baler_fits.values.quantisation import Quantisation, tile_slices

NUMBERS, FLOATS = "COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"
_COPIED = ("ZSCALE", "ZZERO", "ZBLANK")
LARGEST_PLACE = 2**31 - 1


@dataclass(frozen=True)
class Tiled:
    """A compressed image.

    Attributes
    ----------
    header
        Its cards.
    data
        A temporary file that begins with its table and heap, without padding.
    loose
        How many tiles of quantised floats no longer follow from whole numbers, and are gzipped as they are.
    """

    header: str
    data: BinaryIO
    loose: int = 0


def compress_numbers(
    header: str,
    pixels: np.ndarray,
    quantisation: Quantisation,
    tile: tuple[int, ...],
    encode: Callable[[np.ndarray], Tiled],
    folder: Path,
) -> Tiled | None:
    """The table and heap of an image: tiles whose pixels follow from whole numbers hold those, the others gzipped floats.

    Parameters
    ----------
    header
        Cards of the original compressed HDU.
    tile
        The size of a tile, slowest axis first.
    encode
        Compresses an image of int32.

    Returns
    -------
    Tiled or None
        None where the heap becomes too long for its pointers.
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
    if loose and FLOATS not in header:
        header = _with_floats(header)
    encoded = encode(numbers)
    with encoded.data:
        pieces = _pieces(encoded, loose)
        newly = sum(quantisation.scales[n] != 0 for n in loose)  # no scale: it was not quantised before either
        return _assembled(header, pieces, quantisation, folder, newly)


def _pieces(encoded: Tiled, loose: dict[int, np.ndarray]) -> Iterator[tuple[str, int, bytes]]:
    """Of each tile, the column that holds it, the size of that column's elements, and its bytes."""
    unit, file = table_unit(Keywords(encoded.header)), encoded.data
    file.seek(0)
    places = np.frombuffer(file.read(unit.rows * unit.row_bytes), unit.row_dtype)["f0"].astype(np.int64)
    itemsize = unit.fields[0].stored.itemsize
    for n, (count, place) in enumerate(places.tolist()):
        if n in loose:
            yield FLOATS, 1, gzip.compress(np.ascontiguousarray(loose[n]).tobytes(), mtime=0)
        else:
            file.seek(unit.heap + place)
            yield NUMBERS, itemsize, file.read(count * itemsize)


def _assembled(
    header: str, pieces: Iterator[tuple[str, int, bytes]], quantisation: Quantisation, folder: Path, loose: int
) -> Tiled | None:
    """Put tiles, scales and floats together."""
    unit = table_unit(Keywords(header))
    column = {field.name: n for n, field in enumerate(unit.fields)}
    table = np.zeros(unit.rows, unit.row_dtype)
    for name, values in zip(_COPIED, (quantisation.scales, quantisation.zeros, quantisation.blanks), strict=True):
        if name in column:
            table[f"f{column[name]}"] = values
    data = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the caller closes it)
    data.seek(unit.rows * unit.row_bytes)
    at, longest = 0, dict.fromkeys((NUMBERS, FLOATS), 0)
    for n, (name, size, piece) in enumerate(pieces):
        table[f"f{column[name]}"][n] = (len(piece) // size, at)
        longest[name] = max(longest[name], len(piece) // size)
        data.write(piece)
        at += len(piece)
        if at > LARGEST_PLACE:
            data.close()
            return None
    data.seek(0)
    data.write(table.tobytes())
    return Tiled(_with_sizes(header, unit, at, longest), data, loose)


def _with_sizes(header: str, unit: Unit, heap: int, longest: dict[str, int]) -> str:
    """Return the header with the length of the heap, and of the longest array of each column if it states them."""
    keywords = Keywords(header)
    values: dict[str, int | str] = {"PCOUNT": heap}
    for one in unit.fields:
        form = keywords.text(f"TFORM{one.column}")
        if one.name in longest and form.endswith(")"):
            values[f"TFORM{one.column}"] = f"{form.partition('(')[0]}({longest[one.name]})"
    if keywords.get("THEAP") is not None:
        values["THEAP"] = unit.rows * unit.row_bytes
    return set_values(header, {key: value for key, value in values.items() if keywords.get(key) != value})


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
    wider: dict[str, int | str] = {"TFIELDS": n, "NAXIS1": keywords.whole("NAXIS1") + 8}
    return set_values("".join([*cards[: last + 1], *(f"{card:<{CARD}}" for card in new), *cards[last + 1 :]]), wider)
