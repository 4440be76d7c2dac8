"""The examples beside the pages of the format hold for the product and for the reference decoder."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import quotients, transform_values
from reference.arithmetic import HALF, Decoder, Numbers, decode_classes, learned
from reference.exponential import exp as reference_exp
from reference.lattice import Lattice as ReferenceLattice
from reference.mixing import STRETCH, Magnitudes, squash
from reference.own_tolerances import OwnTolerances
from reference.predictive_floats import Cells, Steps
from reference.reading import Bytes, unpack
from reference.restoring import MODELS, Model
from reference.tolerances import Tolerance as ReferenceTolerance
from reference.tolerances import Variable as ReferenceVariable

from baler_core.builtin.models.fields.predictive.float_cells import read_cells
from baler_core.builtin.models.fields.transform import basis, wavelet
from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.noise_steps import NoiseSteps
from baler_core.data.variables import Layout, Variable
from baler_core.entropy import magnitudes, masks, mixing
from baler_core.entropy.arithmetic import code_bit, new_decoder
from baler_core.entropy.integers import unpack_integers
from baler_core.entropy.numbers import NumberCoder
from baler_core.entropy.varint import ByteReader, unzigzag
from baler_core.plugin.registry import load_plugins
from baler_core.quantise import slice_steps
from baler_core.quantise.exponential import exp
from baler_core.quantise.lattice import Lattice

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[1] / "docs" / "format" / "vectors.json").read_text()
)


def hexadecimal(values: np.ndarray) -> str:
    return np.ascontiguousarray(values).tobytes().hex()


def data_of(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["bytes"])


def test_all_examples_are_tested() -> None:
    text = Path(__file__).read_text()
    assert len(VECTORS) == 19
    assert [name for name in VECTORS if f'"{name}"' not in text] == []


def test_integers() -> None:
    for example in VECTORS["varints"]:
        data = bytes.fromhex(example["bytes"])
        assert Bytes(data).varint() == ByteReader(data).varint(2**64) == example["number"]
    for example in VECTORS["zigzag"]:
        assert unzigzag(example["varint"]) == example["number"]
        assert example["varint"] > 127 or Bytes(bytes([example["varint"]])).zigzag() == example["number"]
    for example in VECTORS["packed integers"]:
        data, expected = bytes.fromhex(example["bytes"]), example["integers"]
        assert unpack(data, len(expected)).tolist() == unpack_integers(data, len(expected)).tolist() == expected


def test_bits() -> None:
    example = VECTORS["arithmetic decoder"]
    ours, theirs = new_decoder(data_of("arithmetic decoder")), Decoder(data_of("arithmetic decoder"))
    for chance, bit in zip(example["probabilities"], example["bits"], strict=True):
        assert code_bit(ours.registers, ours.data, 0, chance) == theirs.bit(chance) == bit
    example, mine = VECTORS["counters"], HALF
    for bit, counter in zip(example["bits"], example["counters"], strict=True):
        assert int(mixing.learned(mine, bit, example["limit"])) == learned(mine, bit, example["limit"]) == counter
        mine = counter
    for x, probability in VECTORS["squash"]:
        assert int(mixing.squash(x)) == squash(x) == probability
    for probability, x in VECTORS["stretch"]:
        assert int(mixing.stretch(probability)) == STRETCH[probability >> 2] == x


def test_numbers() -> None:
    example, data = VECTORS["numbers"], data_of("numbers")
    ours, theirs = NumberCoder(new_decoder(data)), Numbers(Decoder(data), 4)
    for kind, number in zip(example["kinds"], example["numbers"], strict=True):
        assert ours.code(0, kind) == theirs.next(kind) == number
    example, data = VECTORS["classes"], data_of("classes")
    for decode in (masks.decode_classes, decode_classes):
        found = decode(data, tuple(example["shape"]), example["special values"])
        assert found.ravel().tolist() == example["classes"]


def test_magnitudes() -> None:
    example, data = VECTORS["magnitudes"], data_of("magnitudes")
    size, coder = example["rows of counters"], new_decoder(data)
    theirs = Magnitudes(Decoder(data), size)
    counters, weights = magnitudes.first_counters(size * magnitudes.NODES), magnitudes.new_weights()
    for rows, chosen, expected in zip(example["rows"], example["chosen"], example["magnitudes"], strict=True):
        places = tuple(row * magnitudes.NODES for row in rows)
        assert magnitudes.code_magnitude(*coder, counters, weights, places, chosen, 0, 0) == expected
        assert theirs.next(rows, chosen) == expected


def test_points() -> None:
    for example in VECTORS["lattices"]:
        data, codes = bytes.fromhex(example["bytes"]), np.array(example["codes"])
        theirs = ReferenceLattice(Bytes(data), np.dtype(example["dtype"]))
        assert hexadecimal(Lattice.from_bytes(data, example["dtype"]).restore(codes)) == example["values"]
        assert hexadecimal(theirs.restore(*theirs.split(codes))) == example["values"]
    example = VECTORS["exponentials"]
    numbers = np.frombuffer(bytes.fromhex(example["numbers"]), "<f8")
    assert hexadecimal(exp(numbers)) == hexadecimal(reference_exp(numbers)) == example["values"]


@pytest.mark.parametrize("example", VECTORS["cells"], ids=lambda example: example["bytes"])
def test_cells(example: dict[str, Any]) -> None:
    numbers, dtype = np.array(example["numbers"], np.int64), np.dtype(example["dtype"])
    rests = bytes.fromhex(example["rests"])
    cells = read_cells(ByteReader(bytes.fromhex(example["bytes"])), example["dtype"])
    assert hexadecimal(cells.decode_rests(rests, numbers)) == example["values"]
    theirs = Cells(Bytes(bytes.fromhex(example["bytes"])), dtype).bits(rests, numbers, np.ones(len(numbers), bool), [])
    assert hexadecimal(theirs.astype(f"<i{dtype.itemsize}")) == example["values"]


def test_steps() -> None:
    example = VECTORS["steps"]
    shape, dtype = tuple(example["shape"]), example["dtype"]
    numbers, rests = np.array(example["numbers"], np.int64).reshape(shape), bytes.fromhex(example["rests"])
    steps = slice_steps.read_slice_steps(ByteReader(bytes.fromhex(example["bytes"])), dtype, shape[0])
    points = slice_steps.points(numbers, steps.spread(shape), dtype)
    apart = unpack_integers(rests, numbers.size).reshape(shape)
    assert hexadecimal(slice_steps.from_ordered(slice_steps.ordered(points) + apart, dtype)) == example["values"]
    theirs = Steps(Bytes(bytes.fromhex(example["bytes"])), np.dtype(dtype), shape[0])
    bits = theirs.bits(rests, numbers, np.ones(shape, bool), theirs.spread(shape))
    assert hexadecimal(bits.astype("<i4")) == example["values"]


def test_transforms() -> None:
    example = VECTORS["wavelets"]
    coefficients = np.array(example["coefficients"], "<f8").reshape(1, *example["shape"])
    for inverse in (wavelet.inverse, transform_values.joined):
        assert hexadecimal(inverse(coefficients.copy(), example["levels"])) == example["values"]
    example, data = VECTORS["modes"], data_of("modes")
    ours = basis.read_basis(new_decoder(data), example["frames"])
    entries, matrix = transform_values.read_basis(data, example["frames"])
    assert ours.entries.ravel().tolist() == entries.ravel().tolist() == example["entries"]
    assert hexadecimal(ours.matrix()) == hexadecimal(matrix) == example["matrix"]
    example, steps = VECTORS["dither"], NoiseSteps(np.zeros(1), 0.0, VECTORS["dither"]["seed"])
    assert hexadecimal(steps.dither((6,))) == hexadecimal(quotients.dither((6,), example["seed"])) == example["values"]


CASES = [(kept, case) for kept in ("models", "signed contexts") for case in VECTORS[kept]]


@pytest.mark.parametrize(("kept", "case"), CASES)
def test_models(kept: str, case: str) -> None:
    example, name = VECTORS[kept][case], case.partition(" ")[0]
    streams = {stream: bytes.fromhex(data) for stream, data in example["streams"].items()}
    state = {n: np.frombuffer(bytes.fromhex(data), dtype) for n, (dtype, data) in example["state"].items()}
    stated, dims = example["variables"], tuple(f"dim{n}" for n in range(len(example["variables"][0][2])))
    sizes = dict(zip(dims, stated[0][2], strict=True))
    layout = Layout(example["kind"], tuple(Variable(n, dtype, dims) for n, dtype, _ in stated), sizes)
    component = load_plugins().offer("model", name).component
    model = component(component.Options(**example["options"]))
    model.load_state(state)
    block = model.decode(dict(streams), layout, {n: Tolerance("exact") for n, *_ in stated})
    exact = ReferenceTolerance("exact", 0.0, 0.0)
    variables = [ReferenceVariable(n, dtype, dims, exact) for n, dtype, _ in stated]
    theirs = MODELS[name](
        streams, variables, [tuple(sizes.values())] * len(stated),
        Model(name, example["options"], state, None, OwnTolerances({v.name: v for v in variables})),
    )  # fmt: skip
    for (variable, dtype, shape), found in zip(stated, theirs, strict=True):
        ours = values_of(block, variable)
        assert hexadecimal(ours.astype(dtype)) == hexadecimal(found) == example["values"][variable]
        assert found.size == math.prod(shape)


def decode_all() -> int:
    """Decode all examples of models, and count them."""
    for kept, case in CASES:
        test_models(kept, case)
    return len(CASES)
