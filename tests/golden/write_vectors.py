"""Writes `docs/format/vectors.json`, small examples of each part of the format: `python tests/golden/write_vectors.py`.

Bytes and arrays are hexadecimal; arrays as they lie in memory, little-endian, in C order. Later versions may add examples,
and never change what is there: the script stops if one would change.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import baler_core
from baler_core.builtin.models.fields.predictive.float_cells import FloatCells
from baler_core.builtin.models.fields.transform import basis, wavelet
from baler_core.data.noise_steps import NoiseSteps
from baler_core.entropy import magnitudes, masks, mixing
from baler_core.entropy.arithmetic import Coder, code_bit, finish, new_encoder
from baler_core.entropy.integers import pack_integers
from baler_core.entropy.numbers import NumberCoder
from baler_core.entropy.varint import write_varint, zigzag
from baler_core.quantise import slice_steps
from baler_core.quantise.exponential import exp
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.slice_steps import SliceSteps

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "docs" / "format" / "vectors.json"
sys.path.insert(0, str(HERE.parent))
Json = Any


def hexadecimal(values: np.ndarray) -> str:
    return np.ascontiguousarray(values).tobytes().hex()


def integers() -> Json:
    rows = [[], [7] * 5, [3, 5, 258], [0, 1, 1, 0, 1], list(range(0, 4000, 13)), [2**62, -(2**62)]]
    numbers = [0, 1, 127, 128, 300, 624485, 2**63 - 1]
    return {
        "varints": [{"number": n, "bytes": write_varint(n).hex()} for n in numbers],
        "zigzag": [{"number": n, "varint": zigzag(n)} for n in (0, -1, 1, -2, 2, -(2**40))],
        "packed integers": [{"integers": row, "bytes": pack_integers(np.array(row, np.int64)).hex()} for row in rows],
    }


def bits() -> Json:
    rng = np.random.default_rng(1)
    chances, coder = rng.integers(1, 65536, 60).tolist(), new_encoder(100)
    told = [int(rng.random() < chance / 65536) for chance in chances]
    for bit, chance in zip(told, chances, strict=True):
        code_bit(coder.registers, coder.data, bit, chance)
    counter, seen = (1 << 21) << 10, []
    for bit in told[:12]:
        counter = int(mixing.learned(counter, bit, 5))
        seen.append(counter)
    places = (-4000, -3071, -600, -1, 0, 1, 255, 256, 3071)
    return {
        "arithmetic decoder": {"probabilities": chances, "bits": told, "bytes": finish(coder).hex()},
        "counters": {"limit": 5, "bits": told[:12], "counters": seen},
        "squash": [[x, int(mixing.squash(x))] for x in places],
        "stretch": [[p, int(mixing.stretch(p))] for p in (1, 5, 4000, 32767, 32768, 60000, 65535)],
    }


def numbers() -> Json:
    coder = new_encoder(400)
    told = [(0, 0), (1, 5), (1, -6), (0, 1), (2, -70000), (1, 4), (2, 2**30), (0, -1), (3, 123456789)]
    own = NumberCoder(coder)
    for kind, number in told:
        own.code(number, kind)
    classes = np.zeros((2, 4, 6), np.uint8)
    classes[:, 1:3, 2:5], classes[1, 0, 0] = 1, 2
    return {
        "numbers": {"kinds": [k for k, _ in told], "numbers": [n for _, n in told], "bytes": finish(coder).hex()},
        "classes": {"shape": [2, 4, 6], "special values": 2, "classes": classes.ravel().tolist(),
                    "bytes": masks.encode_classes(classes, 2).hex()},
        "magnitudes": _magnitudes(),
    }  # fmt: skip


def _magnitudes() -> Json:
    """Three contexts: of a set and bin, of the magnitude before, of none."""
    rng, coder, size = np.random.default_rng(2), new_encoder(400), 256 + 64 + 1
    told = [*np.minimum(rng.geometric(0.2, 40) - 1, 60).tolist(), 1000, 2**30]
    counters, weights = magnitudes.first_counters(size * magnitudes.NODES), magnitudes.new_weights()
    rows: list[list[int]] = []
    chosen, before = [], 0
    for magnitude in told:
        bin_of = int(magnitudes.logarithmic(16 * before))
        rows.append([64 * (before > 3) + bin_of, 256 + min(before, 63), 320])
        chosen.append(rows[-1][0])
        places = tuple(row * magnitudes.NODES for row in rows[-1])
        magnitudes.code_magnitude(*coder, counters, weights, places, chosen[-1], magnitude, 0)
        before = magnitude
    found = {"rows of counters": size, "rows": rows, "chosen": chosen, "magnitudes": told}
    return {**found, "bytes": finish(Coder(*coder)).hex()}


def _double(number: float) -> str:
    return struct.pack("<d", number).hex()


# Tenths; whole numbers and NaN; every third number, five in one, from 2 on; logarithms; bits; logarithms of integers.
LATTICES = [
    ("<f8", "0101" + _double(0.1)),
    ("<f8", "09100101" + _double(np.nan)),
    ("<i2", "000d" + _double(3) + "0a04"),
    ("<f4", "020b" + _double(0.05) + _double(1.001) + "06"),
    ("<f4", "030414"),
    ("<i4", "040b" + _double(0.05) + _double(1.001) + "28"),
]


def lattices() -> Json:
    codes, found = [-70, -3, -2, -1, 0, 1, 2, 5, 60], []
    for dtype, stored in LATTICES:
        lattice = Lattice.from_bytes(bytes.fromhex(stored), dtype)
        values = lattice.restore(np.array(codes, np.int64))
        found.append({"dtype": dtype, "bytes": stored, "codes": codes, "values": hexadecimal(values)})
    x = np.array([0.0, 1.0, -1.0, 0.1, 20.25, -700.5, -744.0, 709.7, 1e-9])
    return {"lattices": found, "exponentials": {"numbers": hexadecimal(x), "values": hexadecimal(exp(x))}}


def floats() -> Json:
    """Cells of one size and of one count, and steps of two slices: numbers and rests of floats."""
    values = np.array([0.0, -0.0, 1.5, 1.5, -1.5, 0.1, -1e-3, 3.0, 1e-42, 1000.25, 1000.5], "<f4")
    cells = []
    for dtype, kind, size, zeros, lowest in (
        ("<f4", 0, -4, 0, -1200),
        ("<f8", 0, -6, 20, -30),
        ("<f4", 1, 6, 2, -1200),
    ):
        own, found = FloatCells(dtype, kind, size, zeros, lowest), values.astype(dtype)
        found = own.decode_rests(own.encode_rests(found, own.numbers(found)), own.numbers(found))
        numbers = own.numbers(found)
        stored = {"dtype": dtype, "bytes": own.to_bytes().hex(), "numbers": numbers.tolist()}
        cells.append({**stored, "rests": own.encode_rests(found, numbers).hex(), "values": hexadecimal(found)})
    steps = SliceSteps("<f4", 0.01, np.array([0, 2]), np.array([273.15, -5.0]))
    numbers = np.array([[[27315, 27320]], [[0, -130]]])
    told = slice_steps.points(numbers, steps.spread(numbers.shape), "<f4")
    told[0, 0, 1] = np.nextafter(told[0, 0, 1], np.float32(0))
    rests = pack_integers(np.array([0, -1, 0, 0]))
    found = {"dtype": "<f4", "shape": [2, 1, 2], "bytes": steps.to_bytes().hex(), "numbers": numbers.ravel().tolist()}
    return {"cells": cells, "steps": {**found, "rests": rests.hex(), "values": hexadecimal(told)}}


def transforms() -> Json:
    rng = np.random.default_rng(3)
    coefficients = rng.integers(-9, 10, (1, 1, 9, 21)).astype(np.float64)
    restored = wavelet.inverse(coefficients.copy(), 2)
    t = np.arange(14)
    entries = np.rint(np.stack([np.cos(0.4 * t), np.sin(0.7 * t), np.cos(t)], 1) * 0.37 * 2**9).astype(np.int64)
    coder = new_encoder(400)
    basis.write_basis(modes := basis.Basis(entries, np.array([9, 9, 10])), coder)
    return {
        "wavelets": {"shape": [1, 9, 21], "levels": 2, "coefficients": coefficients.ravel().astype(int).tolist(),
                     "values": hexadecimal(restored)},
        "modes": {"frames": 14, "bytes": finish(coder).hex(), "entries": entries.ravel().tolist(),
                  "matrix": hexadecimal(modes.matrix())},
        "dither": {"seed": 12345, "values": hexadecimal(NoiseSteps(t, 0.0, 12345).dither((6,)))},
    }  # fmt: skip


def fields() -> dict[str, np.ndarray]:
    t, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in (6, 9, 10)), indexing="ij")
    field = np.sin(2 * x + t) * np.cos(y) + 0.01 * np.random.default_rng(4).normal(size=x.shape)
    field[1, 2, 3:5] = np.nan
    return {"field": field.astype("<f4"), "whole": np.rint(50 * np.nan_to_num(field)).astype("<i2")}


def table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    kind = np.cumsum(rng.choice([0, 0, 0, 1, 3], 150)) % 5
    size = np.exp(kind / 2 + 0.02 * rng.normal(size=150))
    return {"kind": kind.astype("<i1"), "twin": (9 - kind).astype("<i2"), "size": size.astype("<f4")}


def others() -> dict[str, np.ndarray]:
    return {"label": np.array(["signal", "café", "", "signal"]), "complex": np.array([1 + 2j, -0.5j, 0, 1])}


CASES: dict[str, Any] = {
    "scalar": fields, "exact": others, "predictive fast": fields, "predictive max": fields,
    "transform fast": fields, "transform max": fields, "table fast": table, "table balanced": table,
}  # fmt: skip


def image() -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(values[1]) for name, values in fields().items()}


SIGNED_CASES = {"predictive balanced": image, "predictive max": fields}
# What fields were coded by before there were signed contexts and phases.
UNSIGNED, UNSHIFTED = {"balanced": 7, "max": 7}, {"balanced": 0, "max": 0}


def unsigned_models() -> Json:
    """The models, with fields as they were coded at first."""
    from unittest import mock

    from baler_core.builtin.models.fields.predictive import phases, stencil_fit

    mixed = mock.patch.dict(stencil_fit.MIXED, UNSIGNED), mock.patch.dict(stencil_fit._SERIES, UNSIGNED)
    with mixed[0], mixed[1], mock.patch.dict(phases._TURNS, UNSHIFTED):
        return {"models": models(CASES)}


def models(cases: dict[str, Any]) -> Json:
    """The streams of a group, its state, and what its variables restore to."""
    from unittest import mock

    from reference.container import block_streams, header, sections, state

    from baler_core.builtin.models.fields.model import FieldModel

    found = {}
    for case, make in cases.items():
        name, _, effort = case.partition(" ")
        options = {"name": name, "effort": effort} if effort else {"name": name}
        bounds: dict[str, Any] = {"whole": {"abs": 1}, "size": {"rel": 0.02}, "field": {"abs": 0.05}, "*": "lossless"}
        bounds = {key: bound if bound == "lossless" else {**bound, "sign": "free"} for key, bound in bounds.items()}
        bounds = {key: bound for key, bound in bounds.items() if key in make() or key == "*"}
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(FieldModel, "_pays", return_value=True):
            path = Path(folder) / "a.bal"
            baler_core.compress(make(), path, bounds=bounds if name != "exact" else "lossless", model=options)
            block, data = baler_core.open(path), path.read_bytes()
        parts = sections(data)
        head = header(parts[-1])
        (kind, _, ((model, *_), *_), (section, *_)), *more = head["groups"]
        assert (model, more) == (name, []), case
        streams = block_streams(parts[head["blocks"][0]][4:], 1 << 20, together=False)[0]
        assert not set(streams) & set("&~0!%"), case
        arrays = {str(n): np.asarray(block[n].values) for n in block.variables}
        found[case] = {
            "kind": kind,
            "options": {"effort": effort} if effort else {},
            "variables": [[n, a.dtype.str, list(a.shape)] for n, a in arrays.items()],
            "state": {n: [a.dtype.str, hexadecimal(a)] for n, a in state(parts[section], 1 << 20).items()},
            "streams": {n: stream.hex() for n, stream in streams.items()},
            "values": {n: hexadecimal(a) for n, a in arrays.items()},
        }
    return found


def written() -> Json:
    plain = {**integers(), **bits(), **numbers(), **lattices(), **transforms()}
    return {**plain, **unsigned_models(), **floats(), "signed contexts": models(SIGNED_CASES)}


if __name__ == "__main__":
    vectors = json.loads(json.dumps(written()))
    known = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    changed = [name for name, example in known.items() if vectors.get(name) != example]
    if changed:
        sys.exit(f"examples would change: {', '.join(changed)}")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(example)}" for name, example in vectors.items())
    TARGET.write_text("{\n" + lines + "\n}\n")
