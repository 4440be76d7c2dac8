"""The manifest `NAME.balset` of a set of files: its parts with rows and digests, read with mistrust, written atomically."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from baler_core.errors import FormatError
from baler_core.machine.addresses import address_of
from baler_core.machine.atomic_write import completed
from baler_core.machine.byte_source import open_source

SUFFIX = ".balset"
_MOST_BYTES = 1 << 28
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 62)]


class _JsonRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PartRecord(_JsonRecord):
    """A finished file.

    Attributes
    ----------
    file
        Its name, beside the manifest.
    input
        The path of what it was made from.
    rows
        Lengths of the dimensions along which the files of a set are joined.
    fields
        Digest of what the files of a set must share (`schema_digest`).
    settings
        Digest of the settings and the trained models that it was made with.
    """

    file: str
    sha256: Sha256
    file_bytes: Count
    input: str
    input_sha256: Sha256
    input_bytes: Count
    rows: dict[str, Count]
    fields: Sha256
    settings: Sha256

    @field_validator("file")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        """A name in the folder of the manifest, and nowhere else."""
        if name in ("", ".", "..") or any(c in name for c in "/\\\0"):
            raise ValueError("wanted the name of a file in the folder of the manifest")
        return name


class FailedRecord(_JsonRecord):
    """A file that could not be compressed, and why."""

    input: str
    problem: str
    exit_code: Count


class ModelRecord(_JsonRecord):
    """The file of trained models that all parts were made with."""

    name: str
    sha256: Sha256


class Manifest(_JsonRecord):
    """A set of files.

    Attributes
    ----------
    files
        How many there are to be; fewer parts are there until all are finished.
    share
        Which share of a longer list this is, as `3/100`; empty for all of it.
    """

    format: Literal["balset"] = "balset"
    version: Literal[1] = 1
    baler: str
    files: Count
    share: str = ""
    settings: Sha256
    model: ModelRecord | None = None
    parts: tuple[PartRecord, ...] = ()
    failed: tuple[FailedRecord, ...] = ()

    @property
    def missing(self) -> int:
        """How many of the files are not there."""
        return max(0, self.files - len(self.parts))


def read_manifest(path: Path | str) -> Manifest:
    """Read a manifest that a stranger may have written, from a path or an address.

    Raises
    ------
    FormatError
        If it is none, is damaged, or names a file outside its folder or one twice.
    """
    try:
        record: Any = json.loads(_bytes_of(path).decode("utf-8"))
        found = Manifest.model_validate(record)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise FormatError(
            f"{path}: is not a manifest that this version of baler reads: {place}: {first['msg']}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not a manifest, or is damaged: it is not JSON") from error
    names = [part.file for part in found.parts]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"{path}: lists {twice!r} twice")
    return found


def _bytes_of(path: Path | str) -> bytes:
    address = address_of(path)
    source = None if address is None else open_source(address)
    size = Path(path).stat().st_size if source is None else source.size
    if size > _MOST_BYTES:
        raise FormatError(f"{path}: has {size:,} bytes, and no manifest has more than {_MOST_BYTES:,}")
    return Path(path).read_bytes() if source is None else source.read(0, size)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, which replaces the one that was there at once and whole."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=True)
    with completed(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def known_parts(folder: Path, name: str) -> Mapping[str, PartRecord]:
    """Return by file what earlier runs finished: those over the whole list, and those over shares of it.

    Raises
    ------
    FormatError
        If a manifest is damaged.
    """
    pattern = re.compile(re.escape(name) + r"\.part[0-9]+of[0-9]+" + re.escape(SUFFIX))
    shares = (path for path in folder.glob(f"*{SUFFIX}") if pattern.fullmatch(path.name))
    found: dict[str, PartRecord] = {}
    for path in [*sorted(shares), folder / f"{name}{SUFFIX}"]:
        if path.exists():
            found |= {part.file: part for part in read_manifest(path).parts}
    return found
