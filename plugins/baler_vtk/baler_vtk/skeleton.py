"""What besides values restores a file: its text without arrays, and where each array goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from baler_core import FormatError
from baler_vtk.contents.xml_text import COMPRESSORS, DTYPES, ArrayPlace, Form, XmlText

TEXT = "text"
_FORMATS = ("ascii", "binary", "appended", "plain")


@dataclass(frozen=True)
class MeshSkeleton:
    """The record of a file.

    Attributes
    ----------
    names
        Of the variables, in the order of the arrays.
    places
        Of arrays: `start` counts in the text without arrays.
    head
        Where in that text appended data begin; -1 if there are none.
    """

    form: Form
    names: Sequence[str]
    places: Sequence[ArrayPlace]
    head: int = -1

    @classmethod
    def of(cls, text: XmlText, names: Sequence[str]) -> tuple[MeshSkeleton, bytes]:
        """Return the record of a file, and its text without arrays."""
        literal, at, places = [], 0, []
        length = 0
        for place in text.places:
            literal.append(bytes(text.data[at : place.start]))
            length += len(literal[-1])
            at = place.stop
            places.append(ArrayPlace(place.section, place.name, 0, place.dtype, place.components, place.format, length, 0,
                                place.offset))  # fmt: skip
        literal.append(bytes(text.data[at : text.head]))
        head = sum(map(len, literal)) if text.head < len(text.data) else -1
        literal.append(bytes(text.data[text.appended[1] :]))
        return cls(text.form, names, places, head), b"".join(literal)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        arrays = [
            {
                "name": name,
                "at": p.start,
                "type": p.dtype,
                "components": p.components,
                "format": p.format,
                "offset": p.offset,
            }
            for name, p in zip(self.names, self.places, strict=True)
        ]
        return {"form": self.form.to_json(), "arrays": arrays, "head": self.head}

    @classmethod
    def from_json(cls, record: Any, text: bytes) -> MeshSkeleton:
        """Return the inverse of `to_json`, checked.

        Raises
        ------
        FormatError
            If it is damaged.
        """
        try:
            order, header, compressor, raw = record["form"]
            if order not in ("<", ">") or header[1:] not in ("u4", "u8") or compressor not in COMPRESSORS.values():
                raise ValueError("no such form")
            names = [str(one["name"]) for one in record["arrays"]]
            places = [
                ArrayPlace("", name, 0, str(one["type"]), int(one["components"]), str(one["format"]), int(one["at"]), 0, int(one["offset"]))
                for name, one in zip(names, record["arrays"], strict=True)
            ]  # fmt: skip
            starts = [place.start for place in places]
            head = int(record["head"])
            fits = starts == sorted(starts) and all(0 <= start <= len(text) for start in starts)
            known = all(p.dtype in DTYPES.values() and p.format in _FORMATS and p.components > 0 for p in places)
            if not (fits and known and -1 <= head <= len(text) and (head < 0 or head >= max([0, *starts]))):
                raise ValueError("its arrays have no place")
            if len(set(names)) != len(names) or (head < 0 and any(p.format == "appended" for p in places)):
                raise ValueError("its arrays have no place")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise FormatError(f"the record of a VTK file is damaged: {' '.join(str(error).split())}") from error
        return cls(Form(order, order + header[1:], compressor, bool(raw)), names, places, head)
