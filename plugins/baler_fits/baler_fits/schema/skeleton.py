"""What the schema remembers of a FITS file besides values: the headers of the restored file, and where its heaps go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from baler_core import FormatError
from baler_fits.contents.hdus import padding_of, pieces_of
from baler_fits.schema.header_edits import with_heap, without_columns, without_image
from baler_fits.schema.variables import CatalogueEntry
from baler_fits.values.checksums import are_true, has_checksums
from baler_fits.values.heap import MAX_UNUSED, Order, order_of
from baler_fits.values.quantisation import read_quantisation

# Attachments: what is carried as bytes. Bytes after the last HDU; bytes that fill the last block of a header or of data;
# the scales of a tile-compressed image of floats.
TRAILING = "bytes after the last HDU"
HEADER_PADDING, DATA_PADDING, QUANTISATION = "padding of the header", "padding of the data", "scales of the tiles"


@dataclass(frozen=True)
class Bones:
    """One HDU of the restored file.

    Attributes
    ----------
    header
        Its cards.
    variables
        Names of its variables, one per field.
    size
        Bytes of data kept as they are; -1 if the header tells what they are.
    order, lengths
        Order of the arrays in a heap, and for each variable-length field the bytes they take in all.
    empty_at_start
        Empty arrays point to the start of the heap; else to where the next array begins.
    untrue
        The checksums of the original do not fit its data: they are left as they are.
    moved
        The arrays lay in the heap in another order, or shared places, or with gaps.
    """

    header: str
    variables: Sequence[str] = ()
    size: int = -1
    order: Order = "columns"
    lengths: Sequence[int] = field(default=())
    empty_at_start: bool = False
    moved: bool = False
    untrue: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the record; what is as usual is left out."""
        record: dict[str, Any] = {"header": self.header, "variables": list(self.variables)}
        if self.size >= 0:
            record["size"] = self.size
        if self.lengths:
            record["heap"] = {"order": self.order, "lengths": list(self.lengths), "empty": self.empty_at_start}
        if self.moved:
            record["moved"] = True
        if self.untrue:
            record["untrue sums"] = True
        return record

    @classmethod
    def from_json(cls, record: Any) -> Bones:
        """Return the inverse of `to_json`.

        Raises
        ------
        FormatError
            If the record is not one.
        """
        try:
            heap = record.get("heap", {"order": "columns", "lengths": [], "empty": False})
            order = heap["order"]
            bones = cls(
                str(record["header"]), [str(name) for name in record["variables"]],
                int(record.get("size", -1)), order, [int(length) for length in heap["lengths"]], bool(heap["empty"]),
                bool(record.get("moved")), bool(record.get("untrue sums")),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise FormatError(f"the record of a FITS header is damaged ({error!r})") from error
        if (
            order not in ("columns", "rows")
            or len(bones.header) % 80
            or (not bones.header.isascii() and max(bones.header) > "\xff")
        ):
            raise FormatError("the record of a FITS header is damaged")
        return bones


def skeleton_of(
    file: BinaryIO, entries: Sequence[CatalogueEntry], *, alone: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The HDUs of the restored file: those with values taken and those without data; and what goes with them as bytes.

    Parameters
    ----------
    file
        The original, open.
    alone
        The only HDU that was asked for: no other one is kept, save the primary header.
    """
    records: list[dict[str, Any]] = []
    attachments: dict[str, bytes] = {}
    for n, entry in enumerate(entries):
        empty = entry.content.unit.kind == "empty" or not entry.content.unit.fields
        if entry.values or (empty and alone in (None, n)):
            bones = replace(_bones(entry), untrue=_has_untrue_sums(file, entry))
            records.append(bones.to_json())
            attachments |= _attached(file, entry, len(records) - 1)
        elif n == 0:
            header = entry.content.hdu.header
            records.append(Bones(header if empty else without_image(header)).to_json())
    return records, attachments


def _has_untrue_sums(file: BinaryIO, entry: CatalogueEntry) -> bool:
    """Whether the HDU states checksums that do not hold; reads its data if it states any."""
    hdu = entry.content.hdu
    if entry.content.kept or not has_checksums(hdu.header):
        return False
    padding = padding_of(hdu.header, hdu.size) if hdu.data_padding is None else hdu.data_padding
    return not are_true(hdu.header, pieces_of(file, hdu.start, hdu.size, padding), hdu.header_padding)


def _attached(file: BinaryIO, entry: CatalogueEntry, place: int) -> dict[str, bytes]:
    """The bytes that go with the HDU at this place of the restored file."""
    hdu = entry.content.hdu
    found = {HEADER_PADDING: hdu.header_padding, DATA_PADDING: hdu.data_padding}
    if entry.content.tiles is not None:
        found[QUANTISATION] = read_quantisation(file, hdu)
    return {attached_name(place, what): raw for what, raw in found.items() if raw is not None}


def attached_name(place: int, what: str) -> str:
    """Return the name of an attachment that belongs to the HDU at this place of the restored file."""
    return f"HDU {place}: {what}"


def _bones(entry: CatalogueEntry) -> Bones:
    """An HDU of which something is taken."""
    content, unit = entry.content, entry.content.unit
    header, names = content.hdu.header, [variable.name for variable in entry.values.values()]
    if content.kept:
        return Bones(header, names, content.hdu.size)
    dropped = [one.column for n, one in enumerate(unit.fields) if n not in entry.values]
    if dropped:
        header = without_columns(header, unit, dropped)
    pointers = [content.pointers[n] for n in entry.values if n in content.pointers]
    lengths = [one.total for one in pointers]
    unused = content.hdu.size - unit.rows * unit.row_bytes - sum(lengths)
    order = order_of(pointers) if not dropped and unused <= MAX_UNUSED else None
    moved = bool(content.pointers) and order is None
    if moved:
        header = with_heap(header, unit, sum(lengths))
    empty_at_start = any(one.empty_at_start for one in pointers)
    return Bones(header, names, -1, order or "columns", lengths, empty_at_start, moved and not dropped)
