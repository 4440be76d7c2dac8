"""The decoder in tests/reference, written from the pages of the format alone, restores what baler compressed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from reference.container import header, sections, unrun

from baler_core.api import calls as api
from baler_core.format.container import BalReader
from baler_core.format.header_json import header_from_json


def stated_errors(head: Any) -> dict[str, tuple[float, float]]:
    ranges, largest, shares = head["errors"]
    tolerances, errors = unrun(head["tolerances"], len(head["variables"])), {}
    places = [place for start, many in ranges for place in range(start, start + many)]
    for place, share in zip(places, shares, strict=True):
        variable, (kind, value, _) = head["variables"][place], tolerances[place]
        allowed = math.floor(value) if np.dtype(variable["form"]).kind in "iu" else value
        scale = abs(variable.get("packing", [1.0])[0])
        errors[variable["key"]] = (share * allowed * scale if kind == "abs" else largest.pop(0), share)
    assert not largest
    return errors


def compare(path: Path) -> None:
    ours = api.open(path)
    theirs = reference.restore(path.read_bytes())
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
    rows = 1200
    pt = rng.exponential(30, rows).astype("<f4")
    pt[[3, 40]] = [np.nan, 0.0]
    field = np.sin(np.linspace(0, 9, 8 * 30 * 25)).reshape(8, 30, 25).astype("<f4")
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
    api.compress(arrays, tmp_path / "a.bal", bounds=bounds, model="scalar", block_bytes=24_000)
    compare(tmp_path / "a.bal")


def test_the_page_tells_the_largest_errors(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    numbers = {name: values for name, values in arrays.items() if values.dtype.kind in "if"}
    bounds = {"pt": {"rel": 1e-2}, "field": {"range": 1e-3}, "small": {"abs": 1}, "run": "lossless", "*": {"abs": 1e-2}}
    api.compress(numbers, tmp_path / "e.bal", bounds=bounds, model="scalar")
    data = (tmp_path / "e.bal").read_bytes()
    restored = reference.restore(data)
    stated = stated_errors(header(sections(data)[-1]))
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
