"""No model, however bad, breaks a bound, loses a value, or changes what is exact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baler_core.config import ComponentSpec, Config
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Layout
from baler_core.pipeline.compression import compress
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.interfaces import Model, Options, Streams, Tolerances, Training
from baler_core.plugin.registry import Offer, Registry, load_plugins

if TYPE_CHECKING:
    import xarray as xr


class Hostile(Model):
    """Ignores what it is given and restores something else."""

    name = "hostile"

    class Options(Options):
        how: str = "zeros"

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances, **_: object) -> Streams:
        return {"": b""}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        rng = np.random.default_rng(3)
        answers = {
            "zeros": lambda shape: np.zeros(shape),
            "noise": lambda shape: rng.normal(0, 1e6, shape),
            "nan": lambda shape: np.full(shape, np.nan),
            "infinite": lambda shape: np.full(shape, np.inf),
        }
        return layout.build({v.name: answers[self.options.how](layout.shape(v)) for v in layout.variables})


class Negative(Model):
    """Restores the negative of every value."""

    name = "negative"
    learned: ClassVar[dict[str, np.ndarray]] = {}

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances, **_: object) -> Streams:
        return {v.name: (-block[v.name].values.astype(float)).tobytes() for v in layout.variables}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        with np.errstate(all="ignore"):
            return layout.build({v.name: np.frombuffer(streams[v.name]) for v in layout.variables})


def registry_with(*models: type[Model]) -> Registry:
    registry = load_plugins()
    for model in models:
        registry.offers["model"][model.name] = [Offer(model, "tests", "0")]
    return registry


def round_trip(
    arrays: dict[str, np.ndarray], bound: ErrorBound, folder: Path, model: str, registry: Registry, **options: object
) -> dict[str, np.ndarray]:
    """Compress arrays and restore them through a file."""
    source, target = folder / "data.npz", folder / "data.bal"
    np.savez(source, allow_pickle=False, **arrays)
    spec = ComponentSpec(model, registry.model(model).Options(**options) if model != "auto" else Options())
    config = Config(
        None, (source,), None, None, BoundRules((("*", bound),)), (), spec, Training(), (), folder, block_bytes=4096
    )
    compress(config, registry, source=source, output=target)
    with BalFile(target, registry) as stored:
        blocks = list(stored.blocks())
    return {
        name: np.concatenate([b[name].values for b in blocks if name in b.variables])
        if array.ndim
        else next(b[name].values for b in blocks if name in b.variables)
        for name, array in arrays.items()
    }


def assert_within(original: np.ndarray, restored: np.ndarray, bound: ErrorBound) -> None:
    """The bound as a user would check it, in float64, on values that have one."""
    assert restored.dtype.newbyteorder("=") == original.dtype.newbyteorder("=")
    original = original.astype(restored.dtype)
    if original.dtype.kind != "f" or bound.kind == "lossless":
        assert restored.tobytes() == original.tobytes()
        return
    np.testing.assert_array_equal(np.isnan(original), np.isnan(restored))
    finite = np.isfinite(original)
    np.testing.assert_array_equal(original[~finite], restored[~finite])
    x, y = original[finite].astype(np.float64), restored[finite].astype(np.float64)
    if bound.kind == "abs":
        assert (np.abs(y - x) <= bound.value).all()
    if bound.kind == "rel":
        assert (np.abs(y - x) <= bound.value * np.abs(x)).all()
        np.testing.assert_array_equal(np.signbit(original[original == 0]), np.signbit(restored[original == 0]))
    if bound.kind == "range" and x.size:
        with np.errstate(over="ignore"):
            assert (np.abs(y - x) <= bound.value * (x.max() - x.min())).all()
    if bound.kind == "bits":
        mantissa = np.frexp(x)[1]
        assert (
            np.abs(y - x) <= np.ldexp(0.5, np.maximum(mantissa - 1, np.finfo(original.dtype).minexp) - int(bound.value))
        ).all()


BOUNDS = [
    ErrorBound("abs", 0.01),
    ErrorBound("rel", 1e-3),
    ErrorBound("range", 1e-3),
    ErrorBound("bits", 7),
    ErrorBound("lossless"),
]


def difficult() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    column = rng.normal(0, 100, 900).astype(np.float32)
    column[:8] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, np.finfo(np.float32).max, 1e-30]
    return {
        "column": column,
        "double": np.exp(rng.normal(0, 20, 900)),
        "count": rng.integers(0, 9, 900),
        "flag": rng.random(900) > 0.5,
        "field": np.cumsum(rng.normal(size=(30, 12, 11)), axis=0).astype(np.float32),
        "constant": np.full(900, 3.25),
        "missing": np.full(900, np.nan),
        "single": np.array(4.5),
        "empty": np.zeros((0, 4), np.float32),
        "name": np.array(["a", "bc", "ü"] * 300),
        "wave": rng.normal(size=5) + 1j,
    }


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
@pytest.mark.parametrize("how", ["zeros", "noise", "nan", "infinite"])
def test_a_hostile_model_breaks_no_bound(bound: ErrorBound, how: str, tmp_path: Path) -> None:
    arrays = difficult()
    restored = round_trip(arrays, bound, tmp_path, "hostile", registry_with(Hostile), how=how)
    for name, array in arrays.items():
        assert_within(array, restored[name], bound)


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
@pytest.mark.parametrize("model", ["negative", "scalar", "auto"])
def test_every_bound_holds_on_difficult_data(bound: ErrorBound, model: str, tmp_path: Path) -> None:
    arrays = difficult()
    restored = round_trip(arrays, bound, tmp_path, model, registry_with(Negative))
    for name, array in arrays.items():
        assert_within(array, restored[name], bound)


any_floats = st.sampled_from(["<f4", "<f8", ">f4", "<f2"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7),
        elements=hnp.from_dtype(np.dtype(dtype)),
    )
)
any_integers = st.sampled_from(["i1", "<u2", ">i4", "<i8", "<u8", "?"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7))
)


@settings(max_examples=60, deadline=None)
@given(st.one_of(any_floats, any_integers), st.sampled_from(BOUNDS))
def test_any_array_returns_within_its_bound(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, bound: ErrorBound
) -> None:
    if array.dtype.kind != "f":
        bound = ErrorBound("lossless")
    restored = round_trip({"x": array}, bound, tmp_path_factory.mktemp("x"), "scalar", load_plugins())["x"]
    assert_within(array, restored, bound)


def test_unbounded_values_are_whatever_the_model_says(tmp_path: Path) -> None:
    arrays = {"x": np.arange(100.0)}
    restored = round_trip(arrays, ErrorBound("none"), tmp_path, "hostile", registry_with(Hostile))
    np.testing.assert_array_equal(restored["x"], np.zeros(100))


@pytest.mark.parametrize("model", ["scalar", "table", "predictive", "transform", "auto"])
@pytest.mark.parametrize("shape", [(700,), (25, 28), (5, 11, 12)], ids=str)
def test_booleans_come_back_byte_for_byte(model: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Files hold booleans of other bytes than 0 and 1, which all read as true."""
    rng = np.random.default_rng(9)
    raw = rng.integers(0, 2, shape).astype(np.uint8)
    odd = rng.random(shape) < 0.05
    raw[odd] = rng.integers(2, 256, int(odd.sum()))
    arrays = {"flag": raw.view(bool), "x": rng.normal(size=shape)}
    restored = round_trip(arrays, ErrorBound("abs", 0.1), tmp_path, model, load_plugins())
    assert restored["flag"].dtype == bool
    np.testing.assert_array_equal(restored["flag"].view(np.uint8), raw)


def test_corrections_keep_the_order_of_the_variables() -> None:
    """Steps of tiles are written in that order, and read in the order of the layout."""
    from baler_core.data.block import make_block as block_of
    from baler_core.data.bounds import Tolerance as Allowed
    from baler_core.pipeline.guarantee import correct

    names = [f"v{number}" for number in range(40)]
    block = block_of({name: (("x",), np.arange(3.0)) for name in names})
    arrays = {name: np.arange(3.0) for name in names}
    assert list(correct(block, arrays, {name: Allowed("abs", 0.1) for name in names})[1]) == names


def test_corrections_of_one_variable_are_read_without_the_others() -> None:
    from baler_core.data.variables import Variable
    from baler_core.pipeline.guarantee import Corrections, decode_corrections, encode_corrections

    layout = Layout("table", tuple(Variable(name, "<f4", ("x",)) for name in "abc"), {"x": 9})
    places = {name: (np.array([k, 7]), np.array([0.5, k], "<f4")) for k, name in enumerate("abc")}
    stream = encode_corrections(Corrections(places), layout)
    assert list(decode_corrections(stream, layout).places) == list("abc")
    (name,) = found = decode_corrections(stream, layout, {"b"}).places
    assert name == "b"
    for read, written in zip(found["b"], places["b"], strict=True):
        np.testing.assert_array_equal(read, written)


def test_corrections_of_a_part_are_those_that_lie_in_it() -> None:
    from baler_core.data.part import Part
    from baler_core.data.variables import Variable
    from baler_core.pipeline.guarantee import Corrections, decode_corrections, encode_corrections

    layout = Layout("table", tuple(Variable(name, "<f4", ("x",)) for name in "ab"), {"x": 9})
    places = {name: (np.array([k, 7]), np.array([0.5, k], "<f4")) for k, name in enumerate("ab")}
    stream = encode_corrections(Corrections(places), layout)
    found = decode_corrections(stream, layout, {"a", "b"}, Part(frozenset("ab"), {"x": slice(1, 5)})).places
    assert list(found) == ["b"]
    assert [each.tolist() for each in found["b"]] == [[0], [0.5]]


def test_places_that_wrap_around_are_refused() -> None:
    """Four steps of 2^62 end where they began."""
    from baler_core.entropy.integers import pack_integers
    from baler_core.errors import FormatError
    from baler_core.quantise.positions import unpack_positions

    steps = np.array([1, 2**62, 2**62, 2**62, 2**62 + 1])
    with pytest.raises(FormatError, match="lie outside it"):
        unpack_positions(pack_integers(steps), len(steps), 9, "values")
