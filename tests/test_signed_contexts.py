"""Numbers by zero, sign and magnitude in signed contexts, and steps that are shifted where bounds are coarse."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.fields.layout import Arrangement
from baler_core.builtin.models.fields.model import FieldModel
from baler_core.builtin.models.fields.predictive.coder import LOCAL
from baler_core.builtin.models.fields.predictive.field import LARGEST, Integers, decode_integers, encode_with
from baler_core.builtin.models.fields.predictive.held import prepare
from baler_core.builtin.models.fields.predictive.phases import best_phases, shifted
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers, learn_stencils
from baler_core.data.bounds import Tolerance

sys.path.insert(0, str(Path(__file__).parent))
import reference

RNG = np.random.default_rng(9)
STARS = np.round(np.where(RNG.random((48, 64)) < 0.02, RNG.pareto(0.5, (48, 64)) * 300, RNG.normal(size=(48, 64)) * 3))


def whole(values: np.ndarray) -> np.ndarray:
    """Whole steps of an image: int64 (1, 1, y, x)."""
    return np.clip(values, 1 - LARGEST, LARGEST - 1).astype(np.int64)[None, None] << FRACTION


EXTREMES = np.where(np.arange(48 * 64).reshape(48, 64) % 3, LARGEST - 1, 1 - LARGEST)
IMAGES = {
    "stars": whole(STARS),
    "noise": whole(RNG.normal(size=(48, 64)) * 1000),
    "extremes": whole(EXTREMES),
    "flat": whole(np.zeros((48, 64))),
    "outliers": whole(np.where(RNG.random((48, 64)) < 0.01, RNG.integers(-LARGEST, LARGEST, (48, 64)), 0)),
}


@pytest.mark.parametrize("mixed", [8, 16, LOCAL])
@pytest.mark.parametrize("name", IMAGES)
def test_whole_steps_come_back_exactly_whatever_they_are(name: str, mixed: int) -> None:
    holes = RNG.random(IMAGES[name].shape) < 0.05
    integers = Integers(IMAGES[name], holes)
    data, _ = encode_with(integers, learn_stencils(integers, "fast"), mixed)
    restored = decode_integers(data, IMAGES[name].shape, holes, 1, False)
    np.testing.assert_array_equal(restored[~holes], IMAGES[name][~holes])


@pytest.mark.parametrize("mixed", [16, LOCAL])
def test_series_of_several_variables_come_back_as_the_encoder_expects(mixed: int) -> None:
    values = (np.cumsum(RNG.normal(size=(4, 5, 12, 20)), axis=3) * 3000).astype(np.int64)
    integers = Integers(values, None, 2, closed=True)
    data, expected = encode_with(integers, learn_stencils(integers, "max"), mixed)
    restored = decode_integers(data, values.shape, None, 2, True)
    np.testing.assert_array_equal(restored, expected)
    assert np.abs(restored - values).max() <= 1 << (FRACTION - 1)


def test_two_sides_that_differ_take_fewer_bytes_than_without_signs() -> None:
    skewed = whole(RNG.exponential(size=(128, 128)) ** 2 * 3)
    integers = Integers(skewed, None)
    stencils = learn_stencils(integers, "fast")
    sizes = {mixed: len(encode_with(integers, stencils, mixed)[0]) for mixed in (7, 8, 16)}
    assert sizes[16] < 0.97 * sizes[7]
    assert sizes[8] < 0.98 * sizes[7]


def test_waves_that_change_direction_are_fitted_locally() -> None:
    y, x = np.meshgrid(np.arange(64), np.arange(96), indexing="ij")
    waves = np.sin(0.3 * x + 40 * np.sin(y / 40)) * np.cos((x / 30) ** 2 + y / 5)
    values = np.rint(200 * waves * (1 << FRACTION)).astype(np.int64)[None, None]
    integers = Integers(values, None, closed=True)
    data = encode_integers(integers, "max")
    assert data[0] == LOCAL
    assert len(data) < 0.88 * len(encode_with(integers, learn_stencils(integers, "max"), 16)[0])
    assert np.abs(decode_integers(data, values.shape, None, 1, True) - values).max() <= 1 << (FRACTION - 1)
    with pytest.raises(FormatError, match="32768 columns"):
        decode_integers(data, (1, 1, 1, 32768), None, 1, True)


@pytest.mark.parametrize("mixed", [16, LOCAL])
def test_damaged_numbers_are_refused(mixed: int) -> None:
    integers = Integers(IMAGES["outliers"], None)
    data, _ = encode_with(integers, learn_stencils(integers, "fast"), mixed)
    for place in range(4, len(data), max(1, len(data) // 40)):
        broken = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        with pytest.raises(FormatError):
            decode_integers(broken, IMAGES["outliers"].shape, None, 1, False)


# What most values are lies at the edge of two steps, but for a phase of about a half.
EDGE = np.round(RNG.normal(size=(96, 128)) * 0.05 + 1.0 + 40 * (RNG.random((96, 128)) < 0.005), 4).astype("f4")


def test_a_phase_is_chosen_by_what_is_measured_and_holds_the_bound() -> None:
    ways = prepare(EDGE, Tolerance("abs", 1.0))
    assert ways is not None
    place = tuple(slice(0, n) for n in (1, 1, *EDGE.shape))

    def changes(field: object) -> float:
        return float((np.diff(field.steps(Arrangement(0, 0), place)) != 0).mean())  # type: ignore[attr-defined]

    fields = best_phases(ways[0], 0.3, changes, "max")
    assert {field.kind for field in fields} == {"whole units"}
    assert not any(field.closed for field in fields)
    assert [changes(field) for field in fields] == sorted(changes(field) for field in fields)
    assert changes(fields[0]) == min(changes(shifted(ways[0], number / 16)) for number in range(16))
    assert best_phases(ways[0], 0.3, changes, "fast") == []
    assert best_phases(ways[0], 4.0, changes, "max") == []
    assert best_phases(ways[0], 1e-9, changes, "max") == []
    assert best_phases(fields[0], 0.3, changes, "max") == []


@pytest.mark.parametrize(("values", "bound"), [(EDGE[:40, :48], 1.0), (np.rint(EDGE[:40, :48] * 10).astype("<i2"), 10)])
def test_images_at_coarse_bounds_are_restored_alike_by_the_plain_decoder(
    values: np.ndarray, bound: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FieldModel, "_pays", lambda *_: True)
    bounds = {"image": {"abs": bound, "sign": "free"}}
    for effort in ("balanced", "max"):
        path = tmp_path / f"{effort}.bal"
        baler_core.compress({"image": values}, path, bounds=bounds, model={"name": "predictive", "effort": effort})
        restored = np.asarray(baler_core.open(path)["image"].values)
        assert np.abs(restored.astype("f8") - values).max() <= bound
        assert reference.restore(path.read_bytes())["image"].tobytes() == restored.tobytes()
