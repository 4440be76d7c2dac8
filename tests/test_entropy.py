"""Integers survive packing, and damaged packs are recognised."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baler_core.entropy.bytes import squeeze, unsqueeze, xz, zstd
from baler_core.entropy.integers import CONSTANT, narrow, pack_fast, pack_integers, unpack_integers, widen
from baler_core.entropy.leading import tells_its_length, unpack_leading
from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError
from baler_core.format.header_dictionary import header_dictionary

int64 = hnp.arrays(np.int64, st.integers(0, 200), elements=st.integers(-(2**63), 2**63 - 1))


@given(int64, st.booleans())
def test_any_int64_array_returns(values: np.ndarray, thorough: bool) -> None:
    packed = pack_integers(values, thorough=thorough)
    np.testing.assert_array_equal(unpack_integers(packed, values.size), values)
    assert (unpack_integers(pack_fast(values), values.size) == values.ravel()).all()


@pytest.mark.parametrize(
    "values",
    [
        np.arange(700_000),
        np.random.default_rng(1).integers(0, 2, 5000),
        np.random.default_rng(1).integers(-5, 5, 600_001) ** 3,
        np.full(100, 2**63 - 1),
        np.array([-(2**63), 2**63 - 1]),
    ],
    ids=["ramp", "bits", "long", "constant", "extremes"],
)
def test_typical_arrays_return(values: np.ndarray) -> None:
    np.testing.assert_array_equal(unpack_integers(pack_integers(values), values.size), values)


def test_constant_takes_few_bytes() -> None:
    assert len(pack_integers(np.full(10**6, 12345))) <= 5


def test_repeats_are_found() -> None:
    noise = np.random.default_rng(0).integers(0, 2**30, 1000)
    assert len(pack_integers(np.tile(noise, 20))) < 1.1 * len(pack_integers(noise))


@given(st.lists(int64, max_size=4))
def test_joint_stream_returns(columns: list[np.ndarray]) -> None:
    narrowed = [narrow(column) for column in columns]
    heads = ByteReader(b"".join(head for head, _ in narrowed))
    bodies = ByteReader(b"".join(body for _, body in narrowed))
    for column in columns:
        np.testing.assert_array_equal(widen(heads, bodies, column.size), column)


@given(int64.filter(lambda v: v.size > 2), st.data())
def test_damage_gives_a_format_error_or_wrong_values_never_more(values: np.ndarray, data: st.DataObject) -> None:
    packed = bytearray(pack_integers(values))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert unpack_integers(bytes(packed), values.size).shape == values.shape
    except FormatError:
        pass


def test_a_bomb_does_not_unfold() -> None:
    bomb = squeeze(bytes(10**7))
    with pytest.raises(FormatError):
        unsqueeze(bomb, 100)


def test_long_bytes_that_come_again_are_squeezed_as_asked_for() -> None:
    """What was made of them is kept, by all that it depends on."""
    data = b" ".join(b"star %d" % n for n in np.random.default_rng(1).integers(0, 10**6, 3000))
    words = data[:20_000]
    ways = [{}, {"thorough": False}, {"words": words}]
    first = [squeeze(data, **way) for way in ways]  # type: ignore[arg-type]
    assert [squeeze(data, **way) for way in ways] == first  # type: ignore[arg-type]
    assert len(first[2]) < len(first[0]) < len(first[1])
    for made, way in zip(first, ways, strict=True):
        assert unsqueeze(made, len(data), way.get("words", b"")) == data  # type: ignore[arg-type]
    assert unsqueeze(squeeze(data[::-1]), len(data)) == data[::-1]


@given(st.binary(max_size=300))
def test_any_bytes_return_from_squeeze(data: bytes) -> None:
    assert unsqueeze(squeeze(data), len(data)) == data


@pytest.mark.parametrize("length", [5, 40, 300, 3000])
def test_short_data_is_as_small_as_any_method_makes_it(length: int) -> None:
    rng = np.random.default_rng(length)
    flags = np.packbits(rng.random(8 * length) < 0.02).tobytes()
    numbers = rng.normal(50, 3, length // 4 + 1).astype("<f4").view("<u4") >> 16 << 16
    for data in (flags, numbers.astype("<u4").tobytes()[:length], bytes(length), rng.bytes(length)):
        least = min(len(data), *(len(xz(data, setting)) for setting in range(4)), len(zstd(data))) + 1
        assert len(squeeze(data)) <= least + 1
        assert unsqueeze(squeeze(data), length) == data


def test_known_words_make_short_data_shorter_and_are_needed_to_restore_it() -> None:
    text = b'{"groups":[["table",[[0,24]],[["table",{},"baler-core","0.1.0"]],[1]]]}'
    short = squeeze(text, words=header_dictionary())
    assert len(short) < len(squeeze(text)) - 20
    assert unsqueeze(short, len(text), header_dictionary()) == text
    with pytest.raises(FormatError):
        unsqueeze(short, len(text))
    with pytest.raises(FormatError, match=r"damaged|bytes where"):
        unsqueeze(short[:-3], len(text), header_dictionary())
    with pytest.raises(FormatError, match="bytes where"):
        unsqueeze(short, len(text) - 1, header_dictionary())


def test_words_of_headers_stay_as_they_are() -> None:
    digest = "304ecc2671138dd7fff7eaa4ca23aada4b2c8654d58d1cd4db28389cd4eb4353"
    assert hashlib.sha256(header_dictionary()).hexdigest() == digest, (
        "files are read by these words: others need a new format version"
    )


@pytest.mark.parametrize(
    "values", [[7] * 9, [3, 900, 5], [0, 1] * 40, list(range(0, 70, 7)), [2**40, -(2**40), 5], [1, 2**62, 3, 4]]
)
def test_the_first_of_packed_integers_are_unpacked_without_their_number(values: list[int]) -> None:
    packed = pack_integers(np.array(values, np.int64))
    if tells_its_length(packed):
        for count in range(1, len(values) + 1):
            assert unpack_leading(packed, count).tolist() == values[:count]
    with pytest.raises(FormatError):
        unpack_leading(b"", 1)
    if tells_its_length(packed) and packed[0] != CONSTANT:
        with pytest.raises(FormatError):
            unpack_leading(packed[:-1], len(values))


def test_what_a_compressor_has_gone_over_does_not_tell_its_length() -> None:
    assert not tells_its_length(pack_integers(np.random.default_rng(1).poisson(9, 5000)))
    assert not tells_its_length(b"")
    assert tells_its_length(pack_integers(np.array([5, 5_000_000])))
