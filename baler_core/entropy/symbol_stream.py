"""Write the collected symbols of a field (see `symbols`) as bytes, count those bytes, or read them back."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import Coder, finish, new_decoder, new_encoder
from baler_core.entropy.frequencies import (
    Frequencies,
    choose_frequencies,
    read_frequencies,
    write_frequencies,
)
from baler_core.entropy.magnitudes import LOGARITHMS, code_simply
from baler_core.entropy.mixing import new_counters
from baler_core.entropy.rans import LOWEST, SYMBOLS, SymbolTables, encode_codes, table_entries
from baler_core.entropy.symbols import CODES, ENDS, EXPECTED, FLAGS, OTHER, RAW, STATE, Stream
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.machine.compiled import Array, compiled, place_of
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class ContextCounts:
    """How many contexts a model has.

    Attributes
    ----------
    lines
        Lines of EXPECTED contexts of symbols, by expected magnitude.
    signs, flags
        Contexts of signs and of flags.
    """

    lines: int
    signs: int
    flags: int

    @property
    def contexts(self) -> int:
        """Contexts of symbols."""
        return self.lines * EXPECTED


_NO_TABLES = SymbolTables(np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64))
_NO_WORDS = np.zeros(0, np.uint32)


def new_collector(values: int, flags: int) -> Stream:
    """Make an empty stream that can take so many values and flags."""
    ends, codes, raw = np.zeros(ENDS, np.int64), np.empty(2 * values, np.uint16), np.zeros(values + 2, np.uint32)
    nothing = np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint32)
    return Stream(ends, codes, np.empty(flags, np.uint16), raw, _NO_WORDS, _NO_TABLES, *nothing)


def new_head(more: int = 0) -> Coder:
    """Make an encoder for what stands before the symbols, with room for `more` bytes beside tables of frequencies."""
    return new_encoder((1 << 20) + more)


def counted_bytes(stream: Stream, layout: ContextCounts, head: Coder) -> float:
    """Estimate how many bytes `write_stream` would make."""
    frequencies, bits = _chosen(stream, layout)
    _write_head(stream, layout, head, frequencies)
    fixed = 20 if stream.ends[CODES] else 1  # lengths and states
    return len(finish(head)) + fixed + (bits + float(stream.ends[RAW])) / 8


def write_stream(stream: Stream, layout: ContextCounts, head: Coder) -> bytes:
    """Write all that was collected; `head` may hold side information already."""
    frequencies, _ = _chosen(stream, layout)
    _write_head(stream, layout, head, frequencies)
    codes = stream.codes[: stream.ends[CODES]]
    first = write_sized(finish(head))
    if not codes.size:
        return first
    words = np.empty(codes.size, np.uint32)
    state, other, place = encode_codes(codes, frequencies.spans(), words)
    raw = stream.raw[: -(-int(stream.ends[RAW]) // 32)].astype("<u4", copy=False).tobytes().rstrip(b"\0")
    used = words[place:].astype("<u4", copy=False)
    return b"".join(
        [
            first,
            write_varint(used.size),
            int(state).to_bytes(8, "little"),
            int(other).to_bytes(8, "little"),
            used.tobytes(),
            raw,
        ]
    )


def read_head(data: bytes, what: str) -> tuple[Coder, ByteReader]:
    """Read a decoder of what stands before the symbols, and what follows it."""
    reader = ByteReader(data, what)
    return new_decoder(reader.sized()), reader


def read_stream(head: Coder, reader: ByteReader, layout: ContextCounts) -> Stream:
    """Return what `write_stream` wrote, after the model's side information was read from `head`.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    frequencies = read_frequencies(head, layout.contexts, EXPECTED, layout.signs)
    tables = frequencies.tables()
    chosen = table_entries(tables)[frequencies.members].reshape(-1, EXPECTED)[:, LOGARITHMS].ravel()
    ends, words, raw = np.zeros(ENDS, np.int64), np.zeros(1, np.uint32), np.zeros(2, np.uint32)
    ends[STATE] = ends[OTHER] = LOWEST
    if reader.left:
        count = reader.varint(1 << 32)
        for number in (STATE, OTHER):
            ends[number] = int.from_bytes(reader.take(8), "little") & ((1 << 63) - 1)
        words = np.frombuffer(reader.take(4 * count) + bytes(4), "<u4").astype(np.uint32)
        rest = reader.rest()
        raw = np.frombuffer(rest + bytes(8 + -len(rest) % 4), "<u4").astype(np.uint32)
    nothing = np.zeros(0, np.uint16)
    return Stream(ends, nothing, nothing, raw, words, tables, chosen, *head, new_counters(layout.flags))


def _chosen(stream: Stream, layout: ContextCounts) -> tuple[Frequencies, float]:
    counts = np.zeros(layout.contexts * SYMBOLS + 2 * layout.signs, np.int64)
    count_codes(stream.codes[: stream.ends[CODES]], counts)
    signs = counts[layout.contexts * SYMBOLS :].reshape(-1, 2)
    return choose_frequencies(counts[: layout.contexts * SYMBOLS].reshape(-1, SYMBOLS), signs, EXPECTED)


def _write_head(stream: Stream, layout: ContextCounts, head: Coder, frequencies: Frequencies) -> None:
    write_frequencies(frequencies, head, EXPECTED)
    write_flags(*head, new_counters(layout.flags), stream.flags[: stream.ends[FLAGS]])


@compiled
def count_codes(codes: Array, counts: Array) -> None:
    """How often each code occurs; there are as many counts as contexts of a layout make codes, fewer than 2^16."""
    for number in range(codes.size):
        counts[place_of(codes[place_of(number)])] += 1


@compiled
def write_flags(registers: Array, data: Array, counters: Array, flags: Array) -> None:
    """Write flags as they were collected, each twice the number of one of the layout's counters, plus a bit."""
    for number in range(flags.size):
        flag = np.int64(flags[number])
        code_simply(registers, data, counters, flag >> 1, flag & 1)
