"""A decoder written from the file format's page alone, without baler, restores what baler compressed."""

from __future__ import annotations

import json
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
import zstandard
from pcodec import wrapped

from baler_core.api import calls as api
from baler_core.format.container import BalReader
from baler_core.format.header_dictionary import header_dictionary
from baler_core.format.header_json import header_from_json

FILTERS = [(3, 0, 0), (3, 0, 2), (0, 2, 2), (0, 3, 3)]


class Bytes:
    """Bytes read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        assert self.at + length <= len(self.data)
        self.at += length
        return self.data[self.at - length : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def zigzag(self) -> int:
        number = self.varint()
        return -(number + 1) // 2 if number % 2 else number // 2

    def sized(self) -> bytes:
        return self.take(self.varint())

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def double(self) -> float:
        return float(struct.unpack("<d", self.take(8))[0])


def unsqueezed(data: bytes, length: int) -> bytes:
    method, body = data[0], data[1:]
    if method == 0:
        restored = body
    elif method < 5:
        lc, lp, pb = FILTERS[method - 1]
        size = 4096
        while size < min(length, 1 << 26):
            size *= 2
        settings: dict[str, Any] = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
        restored = lzma.decompress(body, lzma.FORMAT_RAW, filters=[settings])
    elif method == 6:
        restored = zlib.decompressobj(-15, zdict=header_dictionary()).decompress(body)
    else:
        assert method in (5, 7)
        words = (
            zstandard.ZstdCompressionDict(header_dictionary(), zstandard.DICT_TYPE_RAWCONTENT) if method == 7 else None
        )
        frame = zstandard.ZstdDecompressor(words, max_window_size=1 << 27, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        restored = frame.decompress(body, max_output_size=length)
    assert len(restored) == length
    return restored


def above(low: int, raw: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (raw.astype("<u8") + np.uint64(low % 2**64)).view("<i8")


def integers(data: bytes, count: int) -> np.ndarray:
    stream = Bytes(data)
    method = stream.byte()
    if method == 0:
        return np.zeros(0, "<i8")
    if method == 1:
        return np.full(count, stream.zigzag(), "<i8")
    if method == 5:
        low = stream.zigzag()
        bits = np.unpackbits(np.frombuffer(unsqueezed(stream.rest(), (count + 7) // 8), "u1"))
        return above(low, bits[:count])
    width, low = stream.byte(), stream.zigzag()
    if method in (3, 4):
        values = above(low, np.frombuffer(unsqueezed(stream.rest(), width * count), f"<u{width}"))
        return np.cumsum(values) if method == 4 else values
    assert method == 2
    raw = np.zeros(count, f"<u{width}")
    file, _ = wrapped.FileDecompressor.new(stream.sized())
    for start in range(0, count, 2**18):
        part = raw[start : start + 2**18]
        chunk, _ = file.chunk_decompressor(stream.sized(), f"u{8 * width}")
        chunk.read_page_into(stream.sized(), part.size, part)
    return above(low, raw)


def records(stored: Any) -> Any:
    if isinstance(stored, list):
        return [records(item) for item in stored]
    if not isinstance(stored, dict):
        return stored
    if list(stored) != ["\0columns"]:
        return {key: records(value) for key, value in stored.items()}
    columns = {key: records(column) for key, column in stored["\0columns"].items()}
    rows = max(len(column) for column in columns.values())
    return [{k: c[row] for k, c in columns.items() if c[row] != "\0absent"} for row in range(rows)]


def unrun(runs: list[Any]) -> list[Any]:
    return [record for times, record in runs for _ in range(times)]


def sections(data: bytes) -> list[bytes]:
    assert data[:5] == b"\x89BAL\x01"
    assert data[-4:] == b"BAL\x1a"
    length, checksum = struct.unpack("<II", data[-12:-4])
    index = data[-12 - length : -12]
    assert zlib.crc32(index) == checksum
    stream, start, found = Bytes(index), 5, []
    for _ in range(stream.varint()):
        size = stream.varint()
        found.append(data[start : start + size])
        assert zlib.crc32(found[-1]) == int.from_bytes(stream.take(4), "little")
        start += size
    assert start == len(data) - 12 - length
    return found


def block_streams(section: bytes) -> list[dict[str, bytes]]:
    stream = Bytes(section)
    length = stream.varint()
    index = Bytes(unsqueezed(stream.sized(), length))
    length = stream.varint()
    squeezed = stream.sized()
    common = Bytes(unsqueezed(squeezed, length) if length else b"")
    groups: list[list[tuple[str, int, int]]] = []
    for _ in range(index.varint()):
        count = index.varint()
        groups.append([(index.sized().decode(), *divmod(index.varint(), 2)) for _ in range(count)])
    places = [(g, name, size) for g, group in enumerate(groups) for name, size, together in group if together]
    found: dict[tuple[int, str], bytes] = {}
    for g, name, size in sorted(places, key=lambda place: -place[2]):
        found[g, name] = common.take(size)
    for g, group in enumerate(groups):
        for name, size, together in group:
            if not together:
                found[g, name] = stream.take(size)
    assert stream.rest() == b""
    assert common.rest() == b""
    return [{name: found[g, name] for name, _, _ in group} for g, group in enumerate(groups)]


class Lattice:
    """Codes to values."""

    def __init__(self, stream: Bytes, dtype: np.dtype) -> None:
        head, present = stream.byte(), stream.byte()
        self.kind, self.dtype = head & 7, dtype
        self.step, self.divisor = (stream.double() if present >> bit & 1 else 1.0 for bit in (0, 1))
        self.merge, self.offset, self.lowest = (
            stream.zigzag() if present >> bit & 1 else default for bit, default in ((2, 1), (3, 0), (4, 0))
        )
        self.specials = [stream.double() for _ in range(stream.byte())] if head & 8 else []

    def restore(self, c: np.ndarray, special: np.ndarray | None) -> np.ndarray:
        if special is None:
            special = self.lowest - c
            special = np.where((special > 0) & (special <= len(self.specials)), special, 0)
            c = np.where(special > 0, 0, c)
        values = self.values(c).astype(self.dtype)
        for number, value in enumerate(self.specials, 1):
            values[special == number] = value
        return values

    def values(self, c: np.ndarray) -> np.ndarray:
        sign = np.where(c < 0, -1.0, 1.0)
        if self.kind == 0:
            whole = c * int(self.step) * self.merge + self.offset
            limits = np.iinfo(self.dtype) if self.dtype.kind in "iu" else None
            return whole.clip(limits.min, limits.max) if self.merge > 1 and limits and limits.bits < 64 else whole
        if self.kind == 1:
            cells = c * self.merge + ((self.merge - 1) / 2 - self.offset) if self.merge > 1 else c
            return cells * self.step / self.divisor
        if self.kind == 2:
            return sign * np.exp((abs(c) + self.offset) * self.step) * self.divisor
        if self.kind == 3:
            width = self.dtype.itemsize
            negative = np.where(c < 0, np.uint64(1 << (8 * width - 1)), np.uint64(0))
            magnitude = np.where(c < 0, -1 - c, c).astype("<u8") << np.uint64(self.merge)
            return (magnitude | negative).astype(f"<u{width}").view(f"<f{width}")
        far = np.exp((abs(c) - self.offset - 1) * self.step) * (self.offset * self.divisor)
        return np.rint(np.where(abs(c) <= self.offset, c, sign * far))


def scalar_group(
    streams: dict[str, bytes], variables: list[dict[str, Any]], shapes: list[tuple[int, ...]]
) -> list[Any]:
    index, own, shared = (Bytes(streams[name]) for name in ("index", "own", "shared"))
    restored: list[np.ndarray] = []
    digests = []
    for variable, shape in zip(variables, shapes, strict=True):
        dtype, count = np.dtype(variable["form"]), int(np.prod(shape))
        method = index.byte()
        if method == 3:
            restored.append(restored[index.varint()])
            continue
        lattice, axes, classes = Lattice(index, dtype), index.varint(), index.sized()
        if method == 2:
            restored.append(np.frombuffer(shared.take(count * dtype.itemsize), dtype).reshape(shape))
            continue
        if method == 1:
            width = index.byte()
            low = index.zigzag() if count else 0
            codes = (
                above(low, np.frombuffer(shared.take(width * count), f"<u{width}")) if width else np.full(count, low)
            )
            codes = codes.reshape(shape)
        else:
            codes = integers(own.sized(), count).reshape(shape)
            for axis in reversed(range(len(shape))):
                codes = np.cumsum(codes, axis=axis) if axes >> axis & 1 else codes
        special = integers(classes, count).reshape(shape) if classes else np.zeros(shape, "<i8")
        digests.append(xxhash.xxh3_64(codes.astype("<i8").tobytes()))
        if len(shape) > 1:
            digests[-1].update(special.astype("<i8").tobytes())
        restored.append(lattice.restore(codes, None if len(shape) == 1 else special))
    joined = xxhash.xxh3_64(b"".join(digest.digest() for digest in digests)).digest()
    assert index.rest() == (joined[:3] if digests else b"")
    return restored


def text_cells(stream: Bytes, count: int) -> list[bytes]:
    lengths = integers(stream.sized(), count)
    total = stream.varint()
    joined = Bytes(unsqueezed(stream.rest(), total))
    return [joined.take(int(length)) for length in lengths]


def exact_group(streams: dict[str, bytes], variables: list[dict[str, Any]], shapes: list[tuple[int, ...]]) -> list[Any]:
    fields, restored = Bytes(streams["values"]), []
    for variable, shape in zip(variables, shapes, strict=True):
        stream, count = Bytes(fields.sized()), int(np.prod(shape))
        method = stream.byte()
        if method == 0:
            dtype = np.dtype(variable["form"])
            raw = unsqueezed(stream.rest(), count * dtype.itemsize)
            restored.append(np.frombuffer(raw, dtype).reshape(shape))
            continue
        if method == 1:
            cells = text_cells(stream, count)
        else:
            size = stream.varint()
            distinct = text_cells(Bytes(stream.sized()), size)
            cells = [distinct[place] for place in integers(stream.rest(), count)]
        restored.append(np.array([cell.decode() for cell in cells], object).reshape(shape))
    return restored


def correct(values: list[np.ndarray], stream: Bytes) -> None:
    while stream.at < len(stream.data):
        number, count = stream.varint(), stream.varint()
        places = np.cumsum(integers(stream.sized(), count))
        dtype = values[number].dtype
        exact = integers(stream.sized(), count).astype(f"<i{dtype.itemsize}").view(dtype)
        values[number] = values[number].copy()
        values[number].reshape(-1)[places] = exact


GROUPS: dict[str, Callable[..., list[Any]]] = {"scalar": scalar_group, "exact": exact_group}


def header_of(parts: list[bytes]) -> Any:
    stream = Bytes(parts[-1])
    length = stream.varint()
    return records(json.loads(unsqueezed(stream.rest(), length)))


def stated_errors(header: Any) -> dict[str, tuple[float, float]]:
    ranges, largest, shares = header["errors"]
    tolerances, errors = unrun(header["tolerances"]), {}
    places = [place for start, many in ranges for place in range(start, start + many)]
    for place, share in zip(places, shares, strict=True):
        variable, (kind, value, _) = header["variables"][place], tolerances[place]
        allowed = math.floor(value) if np.dtype(variable["form"]).kind in "iu" else value
        scale = abs(variable.get("packing", [1.0])[0])
        errors[variable["key"]] = (share * allowed * scale if kind == "abs" else largest.pop(0), share)
    assert not largest
    return errors


def digest_of(values: list[np.ndarray], kinds: list[str], streams: dict[str, bytes]) -> bytes:
    digest = xxhash.xxh3_64(streams.get("!", b""))
    for array, kind in zip(values, kinds, strict=True):
        if kind == "exact" and array.dtype.kind == "O":
            for cell in array.ravel():
                digest.update(len(cell.encode()).to_bytes(8, "little") + cell.encode())
        elif kind == "exact":
            digest.update(array.tobytes())
    return digest.digest()


def decoded(path: Path) -> dict[str, np.ndarray]:
    parts = sections(path.read_bytes())
    header = header_of(parts)
    names = header["dims"][0]
    pieces: dict[str, list[np.ndarray]] = {}
    first, runs = header["blocks"]
    kinds = [kind for kind, *_ in unrun(header["tolerances"])]
    for number, (groups, models, sizes) in enumerate(unrun(runs)):
        section, digests = parts[first + number], []
        for place, model, streams in zip(groups, models, block_streams(section[:-8]), strict=True):
            _, ranges, components, _ = header["groups"][place]
            variables = [header["variables"][v] for start, many in ranges for v in range(start, start + many)]
            dims = [v["dims"] if isinstance(v["dims"], list) else [v["dims"]] for v in variables]
            shapes = [tuple(sizes[names[d]] for d in own) for own in dims]
            values = GROUPS[components[model][0]](streams, variables, shapes)
            correct(values, Bytes(streams.get("!", b"")))
            digests.append(digest_of(values, [kinds[v] for s, m in ranges for v in range(s, s + m)], streams))
            for variable, array in zip(variables, values, strict=True):
                pieces.setdefault(variable["key"], []).append(array)
        assert section[-8:] == xxhash.xxh3_64(b"".join(digests), seed=number).digest()
    return {name: np.concatenate(arrays) for name, arrays in pieces.items()}


def compare(path: Path) -> None:
    ours = api.open(path)
    theirs = decoded(path)
    assert set(theirs) == {str(name) for name in ours.variables}
    for name, values in theirs.items():
        expected = np.asarray(ours[name].values)
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
        if values.dtype.kind != "O":
            assert values.tobytes() == expected.tobytes()


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    rows = 3000
    pt = rng.exponential(30, rows).astype("<f4")
    pt[[3, 40]] = [np.nan, 0.0]
    field = np.sin(np.linspace(0, 9, 20 * 30 * 25)).reshape(20, 30, 25).astype("<f4")
    field[4, 5, 6], field[1, 2, 3], field[7] = np.nan, np.inf, -0.0
    return {
        "pt": pt,
        "copy": pt.copy(),
        "decimal": np.round(rng.normal(size=rows), 2),
        "normal": rng.normal(size=rows),
        "wide": rng.integers(-(2**62), 2**62, rows),
        "unsigned": rng.integers(0, 2**64, rows, dtype="<u8"),
        "flag": rng.random(rows) < 0.4,
        "small": rng.integers(0, 5, rows).astype("<i2"),
        "run": np.arange(10**12, 10**12 + rows),
        "same": np.full(rows, 7, "<u1"),
        "field": field,
        "noise": rng.normal(size=(40, 50)),
        "complex": rng.normal(size=9) + 1j,
        "empty": np.zeros(0),
        "none": np.zeros((0, 4), "<f4"),
    }


@pytest.mark.parametrize(
    "bounds",
    [
        "lossless",
        {"abs": 1e-3},
        {"rel": 1e-3},
        {"range": 1e-4},
        {"bits": 6},
        {"small": {"abs": 1}, "wide": {"rel": 0.01}},
    ],
    ids=str,
)
def test_the_page_is_enough_to_decode_arrays(arrays: dict[str, np.ndarray], bounds: Any, tmp_path: Path) -> None:
    api.compress(arrays, tmp_path / "a.bal", bounds=bounds, model="scalar", block_bytes=60_000)
    compare(tmp_path / "a.bal")


def test_the_page_tells_the_largest_errors(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    numbers = {name: values for name, values in arrays.items() if values.dtype.kind in "if"}
    bounds = {"pt": {"rel": 1e-2}, "field": {"range": 1e-3}, "small": {"abs": 1}, "run": "lossless", "*": {"abs": 1e-2}}
    api.compress(numbers, tmp_path / "e.bal", bounds=bounds, model="scalar")
    restored = decoded(tmp_path / "e.bal")
    stated = stated_errors(header_of(sections((tmp_path / "e.bal").read_bytes())))
    assert set(stated) == set(numbers) - {"run", "wide"}
    for name, (largest, share) in stated.items():
        finite = np.isfinite(numbers[name])
        true = np.abs(restored[name][finite].astype("f8") - numbers[name][finite]).max(initial=0)
        assert true <= largest <= true * 1.11
        assert share <= 1
    with BalReader(tmp_path / "e.bal") as reader:
        errors = header_from_json(reader.header).errors
    for name, error in errors.items():
        assert (error.largest, error.share) == pytest.approx(stated[name], rel=1e-5)


def test_the_page_is_enough_to_decode_text(tmp_path: Path) -> None:
    rows = [f"{number},star {number % 3},café {number:x},{number / 7:.3f}" for number in range(400)]
    (tmp_path / "t.csv").write_text("\n".join(["id,kind,label,flux", *rows]) + "\n", encoding="utf-8")
    api.compress(tmp_path / "t.csv", tmp_path / "t.bal", model="scalar")
    compare(tmp_path / "t.bal")
