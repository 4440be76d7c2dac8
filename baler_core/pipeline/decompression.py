"""Restore a .bal file to a file in the original's format, or try whether that can be done."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.config.inputs import split_name
from baler_core.data.block import Block
from baler_core.data.variables import Schema
from baler_core.errors import DataError, FormatError
from baler_core.format.header import Header
from baler_core.machine.addresses import address_of
from baler_core.machine.allocator import memory_kept
from baler_core.machine.atomic_write import completed
from baler_core.machine.progress import Counting, counted
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, make_component, not_believed
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.reading import Reader, Sink, is_marked
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    from baler_core.machine.in_order import Team

logger = logging.getLogger(__name__)


def decompress(
    path: Path,
    registry: Registry | None,
    *,
    output: Path,
    lookup: Lookup = NOWHERE_ELSE,
    memory: int | None = None,
    team: Team | None = None,
) -> Path:
    """Restore a .bal file.

    Parameters
    ----------
    registry, lookup, memory
        As those of `BalFile`.
    output
        The restored file; appears when complete.
    team
        Workers that decode blocks, which this process writes.

    Raises
    ------
    FormatError
        If the .bal file is damaged, lacks its trained models, or does not fit into the memory and disk there are.
    PluginError
        If a component it needs is not installed.
    """
    with BalFile(path, registry, lookup, memory=memory) as stored:
        reader = reader_for_output(stored, path, output)
        total = checked_size(stored.header, path)
        refuse_full_disk(total, path, output)
        what = f"the reader {stored.header.reader.name!r} of {stored.header.reader.package}"
        with (
            completed(output, over_folder=is_marked(output, reader.folders)) as temporary,
            not_believed(path, what),
            memory_kept(0 if memory else total),
        ):
            sink = reader.create(temporary, stored.schema())
            blocks = _restored_blocks(stored, path, lookup, memory, team)
            write_blocks(blocks, sink, counted(f"restore {output.name}", total))
    return output


def _restored_blocks(
    stored: BalFile, path: Path, lookup: Lookup, memory: int | None, team: Team | None
) -> Iterator[Block]:
    """Return the blocks in order, decoded by workers if there are workers and several blocks."""
    if team is None or len(stored.header.blocks) < 2:
        return stored.blocks()
    from baler_core.pipeline.decode_team import BalOpener, decoded_by_team

    place = path.absolute() if address_of(path) is None else path
    return decoded_by_team(stored, BalOpener(place, lookup, memory, stored.fingerprint), team)


def reader_for_output(stored: BalFile, path: Path, output: Path) -> Reader:
    """Return what writes the restored file `output`, or a part of it.

    Raises
    ------
    DataError
        If the file `path` holds no data, or the name of `output` promises another format.
    """
    if not stored.header.blocks:
        raise DataError(f"{path}: holds trained models and no data; use it with compress --model")
    reader = _reader_of(stored, path)
    check_suffix(reader, stored.header.input_name, output)
    return reader


def _reader_of(stored: BalFile, path: Path) -> Reader:
    reader = make_component("reader", stored.header.reader, stored.registry, path)
    assert isinstance(reader, Reader)
    return reader


def write_blocks(blocks: Iterable[Block], sink: Sink, progress: Counting) -> None:
    """Write blocks into a sink, and close it; abort it where that fails.

    Parameters
    ----------
    progress
        Gives what is called with the bytes of each block.
    """
    try:
        with progress as done:
            for block in blocks:
                sink.write(block)
                done(block.nbytes)
        sink.close()
        for warning in sink.warnings:
            logger.warning("%s", warning)
    except BaseException:
        with suppress(Exception):  # of whatever library writes the format: it would hide what went wrong first
            sink.abort()
        raise


def suffixes_of(reader: Reader | type[Reader], input_name: str) -> list[str]:
    """What the name of a restored file may end with, the original's own suffix first."""
    formats = list(reader.written or reader.suffixes)
    if reader.written:
        return formats
    lower = input_name.lower()
    known = max((suffix for suffix in formats if lower.endswith(suffix)), key=len, default="")
    original = known or Path(lower).suffix
    return [original, *(suffix for suffix in formats if suffix != original)]


def restored_suffix(header: Header, registry: Registry) -> str:
    """The suffix of the restored file where nobody names it: the original's, as it was written."""
    name = header.reader.name
    written = registry.reader(name).written if name in registry.offers["reader"] else ()
    return written[0] if written else split_name(Path(header.input_name), registry)[1]


def folders_of(header: Header, registry: Registry) -> tuple[str, ...]:
    """Return names of files one of which is in a restored folder, for formats that are folders."""
    name = header.reader.name
    return registry.reader(name).folders if name in registry.offers["reader"] else ()


def check_suffix(reader: Reader, input_name: str, output: Path) -> None:
    """Refuse a name that promises another format than the reader writes; devices may be called anything.

    Raises
    ------
    DataError
        Naming the right suffix.
    """
    suffixes = suffixes_of(reader, input_name)
    if output.exists() and not output.is_file() and not output.is_dir():
        return
    name = output.name.lower()
    if any(name.endswith(suffix) for suffix in suffixes if suffix) or (
        not suffixes[0] and output.suffix in ("", ".restored")
    ):
        return
    right = suffixes[0] or (suffixes[1] if len(suffixes) > 1 else "")
    stem = output.name.removesuffix(output.suffix)
    proposed = stem if right and stem.lower().endswith(right) else f"{stem}{right}"
    others = [suffix for suffix in suffixes if suffix and suffix != right]
    more = f" (or {', '.join(others)})" if others else ""
    if reader.name == "python":
        more += ", or save what baler_core.open gives, as by its to_netcdf or to_csv"
    raise DataError(
        f"{output}: the restored file is one of the reader {reader.name!r}, not "
        f"{repr(output.suffix) if output.suffix else 'a file without a suffix'}: name it {proposed}{more}"
    )


def checked_size(header: Header, path: Path) -> int:
    """Native bytes of all values, once the blocks are known to make up the whole file."""
    schema = header.schema
    for group_number, group in enumerate(header.groups):
        dims = schema.variables[group.variables[0]].dims
        lengths = [block.sizes[dims[0]] for block in header.blocks if dims and group_number in block.groups]
        if dims and sum(lengths) != schema.sizes[dims[0]]:
            raise FormatError(f"{path}: is damaged: its blocks hold {sum(lengths)} rows of {schema.sizes[dims[0]]}")
        for dim in dims[1:]:
            if any(block.sizes[dim] != schema.sizes[dim] for block in header.blocks if group_number in block.groups):
                raise FormatError(f"{path}: is damaged: a block does not have the file's length along {dim!r}")
    return sum(schema.nbytes(variable) for variable in schema.variables)


def refuse_full_disk(total: int, path: Path, output: Path) -> None:
    folder = output.parent if output.parent.is_dir() else Path.cwd()
    free = shutil.disk_usage(folder).free
    if total > free:
        raise FormatError(f"{path}: restores to {total} bytes, but only {free} are free in {folder}")


def verify(
    path: Path,
    registry: Registry | None,
    *,
    lookup: Lookup = NOWHERE_ELSE,
    memory: int | None = None,
    values_only: bool = False,
) -> int:
    """Restore every block, which checks values against their checksums; return the bytes of the restored values.

    They are written as `decompress` would, to the folder for temporary files, and removed.

    Parameters
    ----------
    registry, lookup, memory
        Those of `decompress`.
    values_only
        Write no file: what the reader of the format makes of the values is not tried.

    Raises
    ------
    FormatError
        If anything in the file is not as it was written, or no file can be written from it.
    PluginError
        If a component it needs is not installed.
    """
    with BalFile(path, registry, lookup, memory=memory) as stored:
        schema, total = stored.schema(), checked_size(stored.header, path)
        progress = counted(f"verify {path.name}", total)
        if stored.header.blocks and not values_only:
            _try_restoring(stored, schema, total, path, progress)
            return total
        with progress as done:
            for block in stored.blocks():
                done(block.nbytes)
    return total


def _try_restoring(stored: BalFile, schema: Schema, total: int, path: Path, progress: Counting) -> None:
    """Write a file like the original in a temporary folder, and remove it."""
    header, reader = stored.header, _reader_of(stored, path)
    suffix = suffixes_of(reader, header.input_name)[0]
    with tempfile.TemporaryDirectory(prefix="baler-verify-", ignore_cleanup_errors=True) as folder:
        output = Path(folder) / f"restored{suffix if suffix in (*reader.written, *reader.suffixes) else ''}"
        free = shutil.disk_usage(folder).free
        if total > free:
            raise FormatError(
                f"{path}: restores to {total} bytes, but only {free} are free in {output.parent.parent}: set TMPDIR to a "
                "folder with more, or check the values alone with --values-only"
            )
        with not_believed(path, f"the reader {header.reader.name!r} of {header.reader.package}"):
            write_blocks(stored.blocks(), reader.create(output, schema), progress)
