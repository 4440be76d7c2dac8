"""Special values stay special and ordinary ones ordinary; limits and signs are kept; whatever the model."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core.builtin.metrics.residual import Residual
from baler_core.builtin.readers.numpy.files import NpzReader
from baler_core.cli import main
from baler_core.config import ComponentSpec, Config
from baler_core.data.block import make_block
from baler_core.data.bounds import BoundRules, Tolerance
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Layout, Schema, Variable
from baler_core.errors import FormatError
from baler_core.evaluate.compare import Wanted, compare
from baler_core.pipeline.compressed import Compressed
from baler_core.pipeline.compression import compress
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.interfaces import AutoOptions, Model, Options, Streams, Tolerances, Training
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import Offer, Registry, load_plugins
from baler_core.quantise.settle import settle, settle_again

if TYPE_CHECKING:
    import xarray as xr


class Described(NpzReader):
    """Arrays whose file states more of them than an .npz file can."""

    name = "described"
    facts: ClassVar[dict[str, dict[str, object]]] = {}

    def open(self, path: Path, variables: tuple[str, ...] | None = None) -> Source:
        source = super().open(path, variables)
        told = tuple(replace(v, **self.facts.get(v.name, {})) for v in source.schema.variables)  # type: ignore[arg-type]
        source.schema = replace(source.schema, variables=told)
        return source


class Careless(Model):
    """Rounds to the tolerance and knows neither fill values nor limits nor signs."""

    name = "careless"

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances, **_: object) -> Streams:
        streams = {}
        for v in layout.variables:
            values = block[v.name].values.astype(np.float64)
            step = tolerances[v.name].value if tolerances[v.name].kind == "abs" else 0.0
            streams[v.name] = (values if step == 0 else np.rint(values / step - 0.5) * step + 0.3 * step).tobytes()
        return streams

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        with np.errstate(all="ignore"):
            arrays = {v.name: np.frombuffer(streams[v.name]) for v in layout.variables}
            whole = {v.name for v in layout.variables if v.numpy_dtype.kind in "iu"}
            return layout.build({name: np.rint(a) if name in whole else a for name, a in arrays.items()})


def registry() -> Registry:
    found = load_plugins()
    found.offers["reader"]["described"] = [Offer(Described, "tests", "0")]
    found.offers["model"]["careless"] = [Offer(Careless, "tests", "0")]
    return found


REGISTRY = registry()


def round_trip(
    folder: Path,
    values: np.ndarray,
    bound: ErrorBound,
    model: str = "scalar",
    block_bytes: int = 1 << 20,
    **facts: object,
) -> tuple[np.ndarray, Compressed, BalFile]:
    """Compress one variable that its file describes by `facts`, and restore it."""
    Described.facts = {"v": facts}
    source, target = folder / "data.npz", folder / "data.bal"
    np.savez(source, v=values)
    options = AutoOptions(effort="fast") if model == "auto" else REGISTRY.model(model).Options()
    config = Config(
        None,
        (source,),
        ComponentSpec("described", Options()),
        None,
        BoundRules((("v", bound),)),
        (),
        ComponentSpec(model, options),
        Training(),
        (),
        folder,
        block_bytes=block_bytes,
    )
    done = compress(config, REGISTRY, source=source, output=target)
    stored = BalFile(target, REGISTRY)
    with stored:
        restored = np.concatenate([b["v"].values for b in stored.blocks()])
    return restored, done, stored


def within(x: np.ndarray, y: np.ndarray, bound: ErrorBound, scale: float = 1.0) -> np.ndarray:
    """Which values lie within an abs or rel bound, in longer arithmetic; NaN and infinities count as equal to themselves."""
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    with np.errstate(all="ignore"):
        allowed = bound.value if bound.kind == "abs" else bound.value * np.abs(a)
        near = np.abs(a - b) * abs(scale) <= allowed * (1 + 1e-12)
    return near | (np.isnan(a) & np.isnan(b)) | (a == b)


def shapes(rng: np.random.Generator, kind: str, dtype: str) -> np.ndarray:
    """A table, a smooth field or a noisy field that goes through 0 and 1."""
    if kind == "table":
        values = rng.exponential(0.4, 3000)
    else:
        t, y, x = np.mgrid[:12, :20, :24]
        values = (
            np.sin(0.3 * x + 0.2 * t) + np.cos(0.25 * y) + (0.3 * rng.normal(size=t.shape) if kind == "noisy" else 0)
        )
    return (
        (values * (20 if np.dtype(dtype).kind in "iu" else 1))
        .clip(0 if np.dtype(dtype).kind == "u" else None)
        .astype(dtype)
    )


MODELS = ["careless", "scalar", "auto"]
# A shape of data, and a model that takes it.
PAIRS = [("table", model) for model in MODELS] + [
    (kind, model) for kind in ("smooth", "noisy") for model in ("careless", "scalar", "transform", "predictive")
]


@pytest.mark.parametrize(("kind", "model"), PAIRS)
@pytest.mark.parametrize(
    ("dtype", "present"), [("<f4", True), ("<f4", False), (">f8", True), ("<i2", False), ("u1", True), ("<i8", True)]
)
def test_no_value_becomes_missing_and_none_that_was_missing_valid(
    tmp_path: Path, model: str, kind: str, dtype: str, present: bool
) -> None:
    rng = np.random.default_rng(5)
    values = shapes(rng, kind, dtype)
    fill = (0, 1, 7) if values.dtype.kind in "iu" else (0.0, 0.5, -9.0)
    for special in fill:
        values[values == special] = 3
        if present:
            values[rng.random(values.shape) < 0.05] = special
    bound = ErrorBound("abs", 3 if values.dtype.kind in "iu" else 0.2)
    restored, *_ = round_trip(tmp_path, values, bound, model, fill=fill[:2], flags=fill[2:])
    for special in fill:
        np.testing.assert_array_equal(values == special, restored == special, err_msg=str(special))
    assert within(values, restored, bound).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("<f4", (0.1,)),
        ("<f4", (1e40, math.nan)),
        ("<f4", (-0.0,)),
        ("<f8", (0.0,)),
        ("<i4", (1e20, 0.5, math.nan, -1)),
        ("<i8", (-9223372036854775806, 9223372036854775807, 0)),
        ("<u8", (18446744073709551614, 0)),
        ("u1", (255, 254, -1, 256)),
        ("i1", (-128, -127)),
    ],
)
def test_any_fill_value_is_taken_as_what_the_type_makes_of_it(
    tmp_path: Path, dtype: str, fill: tuple[float, ...], model: str
) -> None:
    rng = np.random.default_rng(6)
    if np.dtype(dtype).kind == "f":
        values = rng.normal(0, 0.3, 2000).astype(dtype)
        values[::7] = np.nan
        values[1::7] = -0.0
        bound = ErrorBound("abs", 0.05)
    else:
        limits = np.iinfo(dtype)
        distances = rng.integers(0, 90, (2, 900)).tolist()
        numbers = [limits.min + d for d in distances[0]] + [limits.max - d for d in distances[1]]
        values = np.array(numbers, dtype)
        bound = ErrorBound("abs", 5)
    with np.errstate(over="ignore"):
        known = [np.array(f).astype(dtype)[()] for f in fill if _fits(f, np.dtype(dtype))]
    for special in known:
        values[rng.random(values.shape) < 0.03] = special
    restored, *_ = round_trip(tmp_path, values, bound, model, fill=fill)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(restored))
    for special in known:
        np.testing.assert_array_equal(values == special, restored == special)
    assert within(values, restored, bound).all()


def _fits(number: float, dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return math.isfinite(number) and abs(number) < 1e38
    return math.isfinite(number) and number == int(number) and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max


def test_a_fill_value_among_the_data_costs_little(tmp_path: Path) -> None:
    rain = (np.random.default_rng(1).exponential(0.01, 100_000) + 1e-6).astype("<f4")
    bound = ErrorBound("abs", 0.01)
    _, with_fill, _ = round_trip(tmp_path, rain, bound, "auto", fill=(0.0,))
    _, without, _ = round_trip(tmp_path, rain, bound, "auto")
    assert with_fill.file_bytes <= without.file_bytes + 40
    rain[np.random.default_rng(2).random(rain.shape) < 0.3] = 0.0
    restored, mixed, _ = round_trip(tmp_path, rain, bound, "auto", fill=(0.0,))
    np.testing.assert_array_equal(rain == 0, restored == 0)
    assert mixed.file_bytes < without.file_bytes + 100_000 // 8 + 200


def test_an_ordinary_value_is_moved_further_than_readers_look(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(-999.0, 0.2, 5000).astype("<f4")
    values[values == -999] = -998
    for model in MODELS:
        restored, *_ = round_trip(tmp_path, values, ErrorBound("abs", 0.1), model, fill=(-999.0,))
        assert (np.abs(restored + 999.0) >= 4 * np.spacing(np.float32(999)))[np.abs(values + 999) > 0.001].all()


@pytest.mark.parametrize(("kind", "model"), PAIRS)
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i2"])
def test_what_lies_within_limits_stays_within_and_what_lies_beyond_beyond(
    tmp_path: Path, model: str, kind: str, dtype: str
) -> None:
    values = shapes(np.random.default_rng(7), kind, dtype)
    whole = values.dtype.kind == "i"
    low, high = (1.0, 20.0) if whole else (0.1, 1.3)
    bound = ErrorBound("abs", 3 if whole else 0.15)
    for ready in (values.clip(low, high).astype(dtype), values):
        restored, *_ = round_trip(tmp_path, ready, bound, model, limits=(low, high))
        for x, y in ((ready, restored), (ready.astype(np.float64), restored.astype(np.float64))):
            # readers compare in the type of the values, or in float64
            limits = [type(x.flat[0])(limit) for limit in (low, high)]
            np.testing.assert_array_equal(x < limits[0], y < limits[0])
            np.testing.assert_array_equal(x > limits[1], y > limits[1])
        assert within(ready, restored, bound).all()


def test_a_limit_that_is_a_fill_value_is_met_by_neither(tmp_path: Path) -> None:
    values = np.random.default_rng(8).exponential(0.1, 4000).astype("<f4") + np.float32(1e-6)
    values[::50] = 0.0
    for model in MODELS:
        restored, *_ = round_trip(tmp_path, values, ErrorBound("abs", 0.05), model, fill=(0.0,), limits=(0.0, math.inf))
        np.testing.assert_array_equal(values == 0, restored == 0)
        assert (restored >= 0).all()
        assert within(values, restored, ErrorBound("abs", 0.05)).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("scale", "offset"), [(0.01, 0.0), (-0.01, 0.0), (0.1, -273.15), (-0.1, 273.15)])
def test_limits_of_the_user_are_in_physical_units(tmp_path: Path, model: str, scale: float, offset: float) -> None:
    rng = np.random.default_rng(9)
    stored = np.rint((rng.uniform(-2.0, 2.0, 3000)) / scale - offset / scale).astype("<i4")
    bound = ErrorBound("abs", 0.3, limits=(-1.0, 1.0))
    restored, done, _ = round_trip(tmp_path, stored, bound, model, scale=scale, offset=offset)
    before, after = (values * scale + offset for values in (stored, restored))
    np.testing.assert_array_equal(before < -1.0, after < -1.0)
    np.testing.assert_array_equal(before > 1.0, after > 1.0)
    assert within(stored, restored, bound, scale).all()
    # packed tables keep their physical signs too
    assert not ((before > 1e-9) & (after < -1e-9) | (before < -1e-9) & (after > 1e-9)).any()
    assert done.errors["v"].largest <= 0.3 * (1 + 1e-9)


@pytest.mark.parametrize("model", [*MODELS, "transform", "predictive"])
@pytest.mark.parametrize("one_signed", ["positive", "negative"])
def test_fields_of_one_sign_keep_it_for_a_few_bytes(tmp_path: Path, model: str, one_signed: str) -> None:
    field = shapes(np.random.default_rng(10), "smooth", "<f4")
    field = np.maximum(field, 0) * (1 if one_signed == "positive" else -1)
    bound = ErrorBound("abs", 0.2)
    restored, done, _ = round_trip(tmp_path, field, bound, model)
    assert (restored >= 0).all() if one_signed == "positive" else (restored <= 0).all()
    assert within(field, restored, bound).all()
    _, free, _ = round_trip(tmp_path, field, replace(bound, sign="free"), model)
    assert done.file_bytes <= free.file_bytes + 40
    assert not done.flips


@pytest.mark.parametrize("fill", [(), (0.0,)])
def test_fields_of_both_signs_keep_them_or_say_so(
    tmp_path: Path, fill: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(11)
    field = np.concatenate([shapes(rng, "noisy", "<f4") for _ in range(6)])
    field[field == 0] = 1
    bound = ErrorBound("abs", 0.3)

    def flips(restored: np.ndarray) -> int:
        return int(((restored > 0) & (field < 0) | (restored < 0) & (field > 0)).sum())

    with caplog.at_level(logging.WARNING):
        restored, done, stored = round_trip(tmp_path, field, bound, "transform", fill=fill)
    assert flips(restored) > 0
    assert done.flips == stored.header.flips == {"v": pytest.approx(flips(restored), rel=0.1)}
    assert any("'v'" in r.message and "sign" in r.message for r in caplog.records)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        free, _, stored = round_trip(tmp_path, field, replace(bound, sign="free"), "transform", fill=fill)
        assert flips(free) > 0
        assert stored.header.bounds == (replace(bound, sign="free"),)
        kept, done, _ = round_trip(tmp_path, field, replace(bound, sign="keep"), "transform", fill=fill)
    assert flips(kept) == 0
    assert not done.flips
    assert not caplog.records
    assert within(field, kept, bound).all()


def test_signs_near_zero_are_kept_by_zeros_for_few_bytes(tmp_path: Path) -> None:
    """Values whose sign is as good as random come back as zero: a few bytes say which may not."""
    rng = np.random.default_rng(12)
    field = np.concatenate([shapes(rng, "noisy", "<f4") for _ in range(6)])
    bound = ErrorBound("abs", 0.3)
    kept, done, _ = round_trip(tmp_path, field, replace(bound, sign="keep"), "transform")
    assert not ((kept > 0) & (field < 0) | (kept < 0) & (field > 0)).any()
    assert within(field, kept, bound).all()
    _, free, _ = round_trip(tmp_path, field, replace(bound, sign="free"), "transform")
    # Two thousand of 35,000 values would change their sign: 760 bytes, and 1,007 where those are told apart.
    assert done.file_bytes <= free.file_bytes + 850


def test_values_that_changed_their_sign_are_counted_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(11)
    field = np.concatenate([shapes(rng, "noisy", "<f4") for _ in range(6)])
    np.savez(tmp_path / "x.npz", v=field)
    text = "input: x.npz\nbounds: {v: {abs: 0.3}}\nmodel: transform\noutput: out\nplots: []\n"
    (tmp_path / "x.yaml").write_text(text)
    (tmp_path / "free.yaml").write_text(text.replace("0.3", "0.3, sign: free").replace(": out", ": free"))
    for command in (["run", "x.yaml"], ["compress", "free.yaml"], ["evaluate", "x.npz", "free/x.bal"]):
        with pytest.raises(SystemExit) as ended:
            main([command[0], *(str(tmp_path / name) for name in command[1:])])
        assert not ended.value.code
    said = capsys.readouterr().out
    with np.load(tmp_path / "out" / "x.restored.npz") as arrays:
        restored = arrays["v"]
    count = int(((restored > 0) & (field < 0) | (restored < 0) & (field > 0)).sum())
    assert count > 0
    assert said.count("changed their sign") == 1
    assert f"v: {count:,} values changed their sign" in said
    assert json.loads((tmp_path / "out" / "report.json").read_text())["variables"][0]["signs_changed"] == count
    assert "Values that changed their sign" in (tmp_path / "out" / "report.html").read_text()


def test_tables_keep_signs(tmp_path: Path) -> None:
    values = np.random.default_rng(12).normal(size=5000).astype("<f4")
    for model in MODELS:
        restored, *_ = round_trip(tmp_path, values, ErrorBound("abs", 0.4), model)
        assert not (values * restored < 0).any()


@pytest.mark.parametrize("packing", [(0.0, 1.0), (math.nan, 0.0), (math.inf, 0.0), (1.0, math.nan), (1e-320, 1.0)])
@pytest.mark.parametrize("kind", ["abs", "rel", "range"])
def test_a_packing_that_makes_no_numbers_keeps_values_exactly_and_says_so(
    tmp_path: Path, packing: tuple[float, float], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.arange(-50, 500, dtype="<i2")
    with caplog.at_level(logging.WARNING):
        bound = ErrorBound(kind, 0.1, limits=(0.0, 10.0))  # type: ignore[arg-type]
        restored, *_ = round_trip(tmp_path, values, bound, scale=packing[0], offset=packing[1])
    np.testing.assert_array_equal(values, restored)
    assert "kept exactly" in caplog.text


def test_what_is_special_or_beyond_limits_does_not_count_for_a_range(tmp_path: Path) -> None:
    values = np.random.default_rng(13).uniform(0, 1, 3000).astype("<f8")
    values[::10], values[1::10], values[2::10] = 1e6, -1e6, 50.0
    bound = ErrorBound("range", 0.01)
    restored, done, _ = round_trip(tmp_path, values, bound, fill=(1e6,), flags=(-1e6,), limits=(0.0, 10.0))
    assert done.errors["v"].largest <= 0.01
    assert within(values, restored, ErrorBound("abs", 0.01)).all()
    np.testing.assert_array_equal(values > 10, restored > 10)


def test_unbounded_variables_keep_what_is_missing_and_what_is_valid(tmp_path: Path) -> None:
    values = np.random.default_rng(14).normal(size=(40, 6)).astype("<f4")
    values[::9], values[1::9], values[2::9] = np.nan, 1e20, 99.0
    bound = ErrorBound("none", limits=(-50.0, 50.0))
    restored, *_ = round_trip(tmp_path, values, bound, "careless", fill=(1e20,))
    np.testing.assert_array_equal(np.isnan(values), np.isnan(restored))
    np.testing.assert_array_equal(values == np.float32(1e20), restored == np.float32(1e20))
    np.testing.assert_array_equal(values > 50, restored > 50)


@settings(max_examples=60)
@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=60),
    st.lists(st.integers(-6, 6), max_size=4),
    st.integers(-8, 8),
    st.sampled_from(["<f4", "<f8", "<i2", "<i8"]),
    st.sampled_from([0.3, 1.0, 2.5, 7.0]),
    st.sampled_from(["careless", "scalar"]),
)
def test_all_sides_hold_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[int],
    fill: list[int],
    low: int,
    dtype: str,
    allowed: float,
    model: str,
) -> None:
    values = np.array(numbers, dtype) if np.dtype(dtype).kind == "i" else np.array(numbers, dtype) / 2
    bound = ErrorBound("abs", allowed, limits=(low, low + 9))
    restored, *_ = round_trip(
        tmp_path_factory.getbasetemp(), values, bound, model, fill=tuple(map(float, fill)), limits=(low - 3.0, math.inf)
    )
    for special in fill:
        np.testing.assert_array_equal(values == special, restored == special)
    for limit in (low, low - 3):
        np.testing.assert_array_equal(values < limit, restored < limit)
    np.testing.assert_array_equal(values > low + 9, restored > low + 9)
    assert not (np.sign(values.astype(float)) * np.sign(restored.astype(float)) < 0).any()
    assert within(values, restored, bound).all()


def test_the_header_tells_limits_flags_and_signs(tmp_path: Path) -> None:
    values = np.arange(100, dtype="<i8")
    bound = ErrorBound("abs", 2, limits=(-math.inf, 50.0), sign="keep")
    fill = (-9223372036854775806, 3)
    facts = {"fill": fill, "flags": (5.0, 6.0), "limits": (0.0, math.inf)}
    _, _, stored = round_trip(tmp_path, values, bound, **facts)
    assert stored.header.bounds == (bound,)
    assert stored.header.schema.variables == (Variable("v", "<i8", ("dim0",), **facts),)  # type: ignore[arg-type]
    tolerance = stored.header.tolerances[0]
    assert (tolerance.fill, tolerance.lower, tolerance.upper, tolerance.sign) == (
        (*fill, 5.0, 6.0),
        (0.0,),
        (50.0,),
        "keep",
    )


@pytest.mark.parametrize("packing", [(0.0, 1.0), (math.nan, 0.0), (math.inf, 0.0), (1.0, math.inf), (0.5, 3.0)])
def test_evaluation_counts_what_readers_show(packing: tuple[float, float]) -> None:
    variable = Variable("v", "<i2", ("x",), "", "", (7.0,), *packing, limits=(-40.0, 60.0), flags=(5.0,))
    stored = np.arange(-50, 100, dtype="<i2")
    later = stored.copy()
    later[60] += 2
    later[140] -= 2
    schema = Schema((variable,), {"x": stored.size})
    before, after = (make_block({"v": (("x",), values)}) for values in (stored, later))
    bounds = {"v": ErrorBound("abs", 1.0)}
    results = compare(lambda: [before], lambda: [after], schema, Wanted(bounds, (Residual(),), others_bytes=0))
    (found,) = results.variables
    assert found.changed == 2
    if packing == (0.5, 3.0):
        # the second change lies beyond the limits, so it is no measurement; both are within four whole steps
        assert (found.largest_error, found.violations) == (1.0, 0)
    else:
        assert found.violations == 2


def test_damaged_notes_on_sides_are_refused(tmp_path: Path) -> None:
    field = shapes(np.random.default_rng(11), "noisy", "<f4")
    tolerance = replace(Tolerance("abs", 0.3), sign="keep")
    layout = Layout("grid", (Variable("v", "<f4", ("t", "y", "x")),), dict(zip("tyx", field.shape, strict=True)))
    rng = np.random.default_rng(2)
    arrays = {"v": (field + rng.uniform(-0.29, 0.29, field.shape)).astype("<f4")}
    decoded = dict(arrays)
    block = make_block({"v": (("t", "y", "x"), field)})
    told, _ = settle(block, arrays, layout, {"v": tolerance}, lambda: 0)
    again = dict(decoded)
    settle_again(told, again, layout, {"v": tolerance})
    np.testing.assert_array_equal(again["v"], arrays["v"])
    for _ in range(300):
        damaged = bytearray(told[: rng.integers(1, len(told))] if rng.random() < 0.3 else told)
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        values = dict(decoded)
        try:
            settle_again(bytes(damaged), values, layout, {"v": tolerance})
        except FormatError:
            continue
        assert values["v"].shape == field.shape
