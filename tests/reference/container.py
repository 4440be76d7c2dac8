"""Take a file apart: sections, header, the streams of a block, states (file_format.md: file layout ... a block, states)."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
import xxhash

from reference.reading import Bytes, Damaged, decompress, unpack

MAGIC, END = b"\x89BAL", b"BAL\x1a"
LONGEST_HEADER = 1 << 26
PAGE = 1 << 15
COMMON = 1 << 18


def version(data: bytes) -> int:
    if len(data) < 17 or data[:4] != MAGIC or data[4] not in (1, 2) or data[-4:] != END:
        raise Damaged("this is no .bal file of version 1 or 2, or it is cut short")
    return data[4]


def sections(data: bytes) -> list[bytes]:
    paged = version(data) == 2
    length, checksum = struct.unpack("<II", data[-12:-4])
    if length > len(data) - 17 or zlib.crc32(data[len(data) - 12 - length : -12]) != checksum:
        raise Damaged("the index is damaged")
    stream, start, found = Bytes(data[len(data) - 12 - length : -12]), 5, []
    for _ in range(stream.below(length + 1)):
        size = stream.below(len(data))
        found.append(data[start : start + size])
        start += size
        pages = [found[-1][at : at + PAGE] for at in range(0, size, PAGE)] if paged else [found[-1]]
        for page in pages:
            if zlib.crc32(page) != int.from_bytes(stream.take(4), "little"):
                raise Damaged(f"section {len(found) - 1} is damaged")
    if start != len(data) - 12 - length or not found:
        raise Damaged("the index does not fit the length of the file")
    return found


def header(section: bytes) -> Any:
    stream = Bytes(section)
    length = stream.below(LONGEST_HEADER)
    return records(json.loads(decompress(stream.rest(), length)))


def records(stored: Any) -> Any:
    """Lists of records from columns, at any depth."""
    if isinstance(stored, list):
        return [records(item) for item in stored]
    if not isinstance(stored, dict):
        return stored
    if list(stored) != ["\0columns"]:
        return {key: records(value) for key, value in stored.items()}
    columns = {key: records(column) for key, column in stored["\0columns"].items()}
    rows = max((len(column) for column in columns.values()), default=0)
    return [{k: c[row] for k, c in columns.items() if c[row] != "\0absent"} for row in range(rows)]


def unrun(runs: Any, limit: int) -> list[Any]:
    """Runs [times, record] of at most so many records."""
    if any(type(times) is not int or times < 0 for times, _ in runs) or sum(times for times, _ in runs) > limit:
        raise Damaged(f"more than {limit} records where no more can be")
    return [record for times, record in runs for _ in range(times)]


def unranged(ranges: Any, count: int) -> list[int]:
    """Ranges [first, number] of variables, of which there are `count`."""
    if any(first < 0 or many < 0 or first + many > count for first, many in ranges):
        raise Damaged("a variable outside the file is named")
    numbers = [number for first, many in ranges for number in range(first, first + many)]
    if len(set(numbers)) != len(numbers):
        raise Damaged("a variable is named twice")
    return numbers


def block_streams(section: bytes, limit: int, *, together: bool = False) -> list[dict[str, bytes]]:
    """For each group, its streams by name; no more than `limit` bytes. Together: as in version 1."""
    stream = Bytes(section)
    length = stream.below(limit)
    index = Bytes(decompress(stream.sized(), length))
    raw = [stream.below(limit)] if together else []
    squeezed = [stream.sized()] if together else []
    groups: list[list[tuple[str, int, int]]] = []
    for _ in range(index.below(len(index.data) + 1)):
        count = index.below(len(index.data) + 1)
        groups.append([(index.sized().decode(), *divmod(index.varint(), 2)) for _ in range(count)])
    places = [(g, name, size) for g, group in enumerate(groups) for name, size, common in group if common]
    if sum(size for _, _, size in places) > limit:
        raise Damaged("streams take more memory than is allowed")
    parts = [places] if together else _parts(places)
    if not together:
        raw = [sum(size for _, _, size in part) for part in parts]
        lengths = [stream.varint() for _ in parts]
        squeezed = [stream.take(size) for size in lengths]
    found: dict[tuple[int, str], bytes] = {}
    for part, data, size in zip(parts, squeezed, raw, strict=True):
        common = Bytes(decompress(data, size) if size else b"")
        for g, name, taken in sorted(part, key=lambda place: -place[2]):
            found[g, name] = common.take(taken)
    for g, group in enumerate(groups):
        for name, size, common in group:
            if not common:
                found[g, name] = stream.take(size)
    return [{name: found[g, name] for name, _, _ in group} for g, group in enumerate(groups)]


def _parts(places: list[tuple[int, str, int]]) -> list[list[tuple[int, str, int]]]:
    """Common parts: neighbours, as many as fit into 2^18 bytes, but at least one."""
    parts: list[list[tuple[int, str, int]]] = []
    total = COMMON
    for place in places:
        if total + place[2] > COMMON:
            parts.append([])
            total = 0
        parts[-1].append(place)
        total += place[2]
    return parts


def state(section: bytes, limit: int) -> dict[str, np.ndarray]:
    """The named arrays of a state, of at most `limit` bytes together."""
    stream, found = Bytes(section), {}
    while stream.left:
        name, kind = stream.sized().decode(), np.dtype(stream.sized().decode("ascii"))
        shape = tuple(stream.below(1 << 32) for _ in range(stream.below(9)))
        count = int(np.prod(shape, dtype=object))
        limit -= count * max(1, kind.itemsize)
        if limit < 0 or kind.kind not in "biuf":
            raise Damaged(f"a state claims {count} values of {kind}")
        data = Bytes(stream.sized())
        if data.byte():
            values = np.frombuffer(decompress(data.rest(), count * kind.itemsize), kind)
        else:
            values = unpack(data.rest(), count).astype(kind)
        found[name] = values.reshape(shape)
    return found


def group_digest(corrections: bytes, exact: list[np.ndarray]) -> bytes:
    """The digest of a group: its stream `!` and the values of its exact variables."""
    digest = xxhash.xxh3_64(corrections)
    for values in exact:
        if values.dtype.kind == "O":
            for cell in values.ravel():
                raw = cell if isinstance(cell, bytes) else cell.encode("utf-8", "surrogatepass")
                digest.update(len(raw).to_bytes(8, "little") + raw)
        else:
            digest.update(values.tobytes())
    return digest.digest()


def stored_digest(number: int, group: bytes) -> bytes:
    return xxhash.xxh3_64(group, seed=number).digest()[:4]


def block_digest(number: int, groups: list[bytes]) -> bytes:
    return xxhash.xxh3_64(b"".join(groups), seed=number).digest()
