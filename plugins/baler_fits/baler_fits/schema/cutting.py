"""Describe a FITS file that holds a part of another: some HDUs, some columns of tables, some rows of them."""

from __future__ import annotations

from dataclasses import replace

from baler_core import Cut, DataError, Schema
from baler_fits.contents.fields import unit_of
from baler_fits.contents.hdus import data_size
from baler_fits.contents.headers import Keywords, set_values
from baler_fits.schema.header_edits import without_columns, without_image
from baler_fits.schema.skeleton import Bones, attached_name


def cut_hdus(schema: Schema, whole: Schema) -> Cut:
    """Return the part's schema: the primary header, and the HDUs of which something is left.

    Raises
    ------
    DataError
        If rows of an image, or a part of a table with arrays of variable length, were asked for.
    """
    chosen = set(schema.names)
    records = [Bones.from_json(record) for record in schema.skeleton.get("hdus", [])]
    kept: list[tuple[int, Bones]] = []
    for n, bones in enumerate(records):
        if chosen & set(bones.variables):
            kept.append((n, _cut(bones, schema, whole)))
        elif n == 0:
            kept.append((n, Bones(without_image(bones.header) if bones.variables else bones.header)))
    attachments: dict[str, bytes] = {}
    for place, (n, bones) in enumerate(kept):
        if bones == records[n]:
            prefix = attached_name(n, "")
            own = {
                name.removeprefix(prefix): raw for name, raw in schema.attachments.items() if name.startswith(prefix)
            }
            attachments |= {attached_name(place, what): raw for what, raw in own.items()}
    skeleton = {**schema.skeleton, "hdus": [bones.to_json() for _, bones in kept]}
    return Cut(replace(schema, skeleton=skeleton, attachments=attachments))


def _cut(bones: Bones, schema: Schema, whole: Schema) -> Bones:
    """Return an HDU with the columns and rows of the part."""
    dropped = [n for n, name in enumerate(bones.variables) if name not in schema.names]
    names = [name for name in bones.variables if name in schema.names]
    rows, before = (one.sizes[one[names[0]].dims[0]] for one in (schema, whole))
    if not dropped and rows == before:
        return bones
    keywords = Keywords(bones.header)
    if bones.size >= 0 or bones.lengths or keywords.get("XTENSION") is None or keywords.get("ZIMAGE") is not None:
        raise DataError(
            f"{names[0]!r} is an image, or in a table with arrays of variable length: it is restored whole; "
            "baler_core.open_file gives parts of it as arrays"
        )
    unit = unit_of(keywords, data_size(keywords, "a FITS header"))
    if unit.kind != "table":
        raise DataError(
            f"{names[0]!r} is an image: it is restored whole; baler_core.open_file gives parts of it as arrays"
        )
    header = without_columns(bones.header, unit, [unit.fields[n].column for n in dropped]) if dropped else bones.header
    return Bones(set_values(header, {"NAXIS2": rows}), names)
