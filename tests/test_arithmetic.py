"""The arithmetic coder: bits come back, and cost what their probability says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core.entropy.arithmetic import code_bit, finish, new_decoder, new_encoder
from baler_core.entropy.mixing import REACH, squash, stretch

Bits = list[tuple[int, int]]


def coded(bits: Bits) -> bytes:
    coder = new_encoder(4 * len(bits) + 16)
    for chance, bit in bits:
        code_bit(*coder, bit, chance)
    return finish(coder)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 1)), max_size=300))
def test_bits_come_back(bits: Bits) -> None:
    coder = new_decoder(coded(bits))
    assert [code_bit(*coder, 0, chance) for chance, _ in bits] == [bit for _, bit in bits]


def test_bits_cost_what_their_chance_says() -> None:
    told = np.random.default_rng(11).random(20_000) < 0.1
    share = told.mean()
    ideal = -(share * np.log2(0.1) + (1 - share) * np.log2(0.9)) * len(told) / 8
    assert len(coded([(6554, int(bit)) for bit in told])) == pytest.approx(ideal, rel=0.01)


def test_squash_and_stretch_are_inverse() -> None:
    for chance in range(64, 65536 - 64, 64):
        assert squash(stretch(chance)) == pytest.approx(chance, rel=0.02, abs=70)
    assert 1 <= squash(-REACH) < 4
    assert [squash(x) for x in (-REACH - 1, REACH + 1)] == [squash(-REACH), squash(REACH)]
