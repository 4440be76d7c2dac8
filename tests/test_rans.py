"""Range asymmetric numeral systems, magnitudes as symbols, and the tables of frequencies that contexts share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core import FormatError
from baler_core.entropy.arithmetic import Coder, finish, new_decoder, new_encoder
from baler_core.entropy.clusters import share_tables
from baler_core.entropy.frequencies import choose_frequencies, read_frequencies, write_frequencies
from baler_core.entropy.numbers import NumberCoder
from baler_core.entropy.rans import (
    SYMBOLS,
    TOTAL,
    decode_bit,
    decode_symbol,
    encode_codes,
    new_tables,
    spans_of,
    table_entries,
)
from baler_core.entropy.symbols import (
    MOST_SYMBOLS,
    bits_below,
    first_of,
    get_bits,
    put_bits,
    symbol_of,
)

LINE, LINES, SIGNS = 8, 3, 5


def counts_of(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(codes, minlength=LINES * LINE * SYMBOLS + 2 * SIGNS)
    return counts[: -2 * SIGNS].reshape(-1, SYMBOLS), counts[-2 * SIGNS :].reshape(-1, 2)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 7, 3000]), st.floats(0.1, 20))
@settings(max_examples=25, deadline=None)
def test_codes_come_back_in_about_as_many_bits_as_their_entropy(seed: int, size: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    symbols = np.minimum(rng.exponential(scale, size), MOST_SYMBOLS - 1).astype(np.int64)
    codes = rng.integers(0, LINES * LINE, size) * SYMBOLS + symbols
    bits = LINES * LINE * SYMBOLS + 2 * rng.integers(0, SIGNS, size) + (rng.random(size) < 0.2)
    codes = np.where(rng.random(size) < 0.3, bits, codes).astype(np.uint16)
    found, expected = choose_frequencies(*counts_of(codes), LINE)
    words = np.empty(size, np.uint32)
    state, other, place = encode_codes(codes, found.spans(), words)
    assert 8 * words[place:].nbytes <= expected * 1.002 + 64
    tables = found.tables()
    (spans, parts, ones), entries = tables, table_entries(tables)
    words, place = np.append(words[place:], np.uint32(0)), 0
    for code in codes.tolist():
        if code >= LINES * LINE * SYMBOLS:
            context, wanted = divmod(code - LINES * LINE * SYMBOLS, 2)
            symbol, state, other, place = decode_bit(ones[context], words, state, other, place)
        else:
            context, wanted = divmod(code, SYMBOLS)
            entry = int(entries[found.members[context]])
            symbol, state, other, place = decode_symbol(spans, parts, words, entry, state, other, place)
        assert symbol == wanted
    assert state == other == 1 << 31
    assert place == words.size - 1


def test_a_symbol_that_is_certain_takes_no_bits() -> None:
    frequencies = np.zeros((1, SYMBOLS), np.int64)
    frequencies[0, 3] = TOTAL
    words = np.empty(1000, np.uint32)
    spans = spans_of(np.zeros(1, np.int64), frequencies, np.full(1, TOTAL // 2))
    state, other, place = encode_codes(np.full(1000, 3, np.uint16), spans, words)
    assert (state, other, place) == (1 << 31, 1 << 31, 1000)
    tables = new_tables(frequencies, np.full(1, TOTAL // 2))
    assert decode_symbol(tables.spans, tables.symbols, words, 0, state, other, 0) == (3, state, other, 0)


@given(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 300), max_size=50))
def test_magnitudes_are_a_symbol_and_the_bits_below(magnitudes: list[int]) -> None:
    raw, place = np.zeros(len(magnitudes) + 2, np.uint32), 0
    for magnitude in magnitudes:
        below = bits_below(symbol_of(magnitude))
        put_bits(raw, place, magnitude & ((1 << below) - 1))
        place += below
    place = 0
    for magnitude in magnitudes:
        symbol = symbol_of(magnitude)
        below = bits_below(symbol)
        assert symbol < MOST_SYMBOLS
        assert first_of(symbol) + get_bits(raw, place, below) == magnitude
        place += below
    assert get_bits(raw, 10**12, 20) == 0


def test_contexts_that_are_alike_share_a_table() -> None:
    counts = np.zeros((2 * LINE, SYMBOLS), np.int64)
    calm, lively = np.array([900, 80, 15, 5]), np.array([100, 200, 400, 300])
    counts[[1, 2, 3, LINE + 6], :4] = calm
    counts[[5, LINE + 2], :4] = lively
    heads = share_tables(counts, LINE)
    assert set(heads[[1, 2, 3, 4, LINE + 6]]) == {1}
    assert set(heads[[5, 6, 7, LINE + 2, LINE + 3]]) == {5}
    np.testing.assert_array_equal(counts[1, :4], 4 * calm)
    np.testing.assert_array_equal(counts[5, :4], 2 * lively)
    few = np.zeros((LINE, SYMBOLS), np.int64)
    few[2, 0], few[6, 1] = 1, 1
    assert set(share_tables(few, LINE)) == {2}
    assert set(share_tables(np.zeros((LINE, SYMBOLS), np.int64), LINE)) == {0}


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 2, 5000]))
@settings(max_examples=20, deadline=None)
def test_frequencies_are_restored_and_add_up(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, LINES * LINE, size)
    codes = contexts * SYMBOLS + np.minimum(rng.exponential(1 + contexts), MOST_SYMBOLS - 1).astype(np.int64)
    found, _ = choose_frequencies(*counts_of(codes), LINE)
    coder = new_encoder(1 << 16)
    write_frequencies(found, coder, LINE)
    again = read_frequencies(new_decoder(finish(coder)), LINES * LINE, LINE, SIGNS)
    np.testing.assert_array_equal(again.members, found.members)
    np.testing.assert_array_equal(again.levels, found.levels)
    np.testing.assert_array_equal(again.leanings, found.leanings)
    assert again.tables().symbols.size == TOTAL * len(found.levels)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_tables_from_any_bytes_are_refused_or_whole(data: bytes) -> None:
    try:
        found = read_frequencies(new_decoder(data), LINES * LINE, LINE, SIGNS)
    except FormatError:
        return
    tables = found.tables()
    assert tables.symbols.size == TOTAL * len(found.levels)
    assert (tables.symbols < MOST_SYMBOLS).all()
    assert ((tables.ones > 0) & (tables.ones < TOTAL)).all()
    assert found.members.max() < len(found.levels)
    assert (tables.spans >= 0).all()


@pytest.mark.parametrize(
    ("numbers", "named"),
    [([0], "without a table"), ([1, 2], "impossible"), ([2, LINE + 1], "impossible"), ([-1], "without a table")],
)
def test_an_impossible_map_of_contexts_is_refused(numbers: list[int], named: str) -> None:
    coder = new_encoder(256)
    writer = NumberCoder(Coder(*coder))
    for number, kind in zip(numbers, (1, 0 if len(numbers) == 2 and numbers[0] == 1 else 1), strict=False):
        writer.code(number, kind)
    with pytest.raises(FormatError, match=named):
        read_frequencies(new_decoder(finish(coder)), LINES * LINE, LINE, SIGNS)
