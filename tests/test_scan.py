"""`baler scan`: what errors cost, measured on samples, as a table, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from baler_core.builtin.readers.numpy.files import NpzReader
from baler_core.cli import main
from baler_core.config import load_config
from baler_core.data.block import Block
from baler_core.data.variables import Schema, Variable
from baler_core.pipeline.input import Input, input_of
from baler_core.pipeline.sampling import sampled
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.registry import load_plugins
from baler_core.suggest.scan import LADDER, Rung, knee_of

RANDOM = np.random.default_rng(8)
# A smooth wave whose noise lies 100 times above the stated bound divided by ten.
WAVE = np.sin(np.linspace(0, 20, 60))[:, None] * np.cos(np.linspace(0, 9, 150)) + RANDOM.normal(0, 3e-3, (60, 150))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "d.npz", wave=WAVE.astype("f4"), col=RANDOM.lognormal(0, 1, 4000), whole=np.arange(4000))
    text = "input: d.npz\nmodel: {name: auto, effort: fast}\nbounds: {wave: {range: 1.0e-3}, col: {rel: 1.0e-4}, whole: lossless}\n"
    (tmp_path / "c.yaml").write_text(text + "output: out\n")
    return tmp_path


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_scan_measures_bytes_and_errors_and_draws_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("scan", folder / "c.yaml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    wave, col = found["variables"]
    assert [wave["name"], col["name"]] == ["wave", "col"]
    assert wave["stated"] == "range 0.001"
    width = float(np.ptp(WAVE.astype("f4")))
    for rung, factor in zip(wave["rungs"], LADDER, strict=True):
        assert rung["factor"] == pytest.approx(factor)
        assert rung["largest"] <= 1e-3 * factor * width * 1.001
        assert rung["rms"] <= rung["largest"]
    bits = [rung["bits"] for rung in wave["rungs"]]
    assert bits[:6] == sorted(bits[:6], reverse=True)
    assert bits[0] > 2 * bits[4]
    # Values of a noisy column cost the same for each factor: no knee.
    assert col["knee"] is None
    ratios = [one["ratio"] for one in found["together"]]
    assert ratios[:6] == sorted(ratios[:6])
    with Image.open(found["picture"]) as picture:
        assert picture.size[0] > 400


def test_the_knee_lies_where_the_error_meets_the_noise() -> None:
    def rung(factor: float) -> Rung:
        noise = 1.0
        bits = max(0.2, float(np.log2(noise / factor)) + 2) if factor < 2 * noise else 0.2 - 0.01 * np.log(factor)
        return Rung(factor, "", bits, 0.0, 0.0, 0.0)

    rungs = [rung(factor) for factor in LADDER]
    knee = knee_of(rungs)
    assert knee is not None
    assert 1 <= LADDER[knee] <= 10
    assert knee_of([Rung(f, "", 5 - np.log(f), 0, 0, 0) for f in LADDER]) is None
    assert knee_of([Rung(f, "", 1.0, 0, 0, 0) for f in LADDER]) is None


def test_the_table_marks_the_stated_bound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("scan", folder / "c.yaml", "--variable", "wave", "-o", folder / "p.png") == 0
    shown = capsys.readouterr().out
    assert "wave, 32 bits per value; stated: range 0.001" in shown
    assert shown.count("stated") == 2
    assert "col," not in shown
    assert "all variables together" in shown
    assert (folder / "p.png").is_file()


@pytest.mark.parametrize(
    ("bounds", "options", "said"),
    [
        ("lossless", [], "no variable has a bound that can be multiplied"),
        ("{wave: {abs: 1}}", ["--variable", "wafe"], "Did you mean 'wave'"),
        ("{wave: {abs: 0}}", [], "c.yaml:2: bounds.wave"),
    ],
)
def test_what_cannot_be_scanned_is_said(
    bounds: str, options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "c.yaml").write_text(f"input: d.npz\nbounds: {bounds}\n")
    assert command("scan", folder / "c.yaml", *options) == 1
    assert said in capsys.readouterr().err


def test_samples_hold_whole_events_from_the_middle(tmp_path: Path) -> None:
    """Of jagged rows, counts and rows fit; of large images, a window; of columns, rows that lie together."""
    xarray = pytest.importorskip("xarray")
    big = np.arange(4_000_000, dtype="f4").reshape(1, 2000, 2000)
    given = xarray.Dataset({"big": (("t", "y", "x"), big), "col": (("r",), np.arange(300_000.0))})
    from baler_core.api.given import input_of_object
    from baler_core.config.arguments import config_of_arguments

    registry = load_plugins()
    config = config_of_arguments(
        "compress", {"bounds": {"*": {"abs": 1}}}, registry, source=None, output=tmp_path / "x"
    )
    sample = sampled(input_of_object(given, config, registry), frozenset({"big", "col"}), 400_000)
    blocks = {
        str(name): block.variables[name].values for block in sample.source.blocks(1 << 40) for name in block.variables
    }
    assert 50_000 < blocks["big"].nbytes <= 800_000
    assert 1e6 < np.median(blocks["big"]) < 3e6
    assert (np.diff(blocks["col"]) == 1).all()
    assert 50_000 < np.median(blocks["col"]) < 250_000
    np.savez(tmp_path / "d.npz", a=np.zeros(3))
    (tmp_path / "c.yaml").write_text("input: d.npz\n")
    loaded = load_config(tmp_path / "c.yaml", registry)
    small = input_of(loaded.inputs[0], loaded, registry)
    with small.source:
        assert sampled(small, frozenset({"a"}), 1000).source.schema.sizes == small.source.schema.sizes


def test_derived_quantities_and_values_with_errors_have_curves(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(0, 5, 3000), generator.normal(0, 5, 3000)
    np.savez(folder / "q.npz", a=a, b=b, b_err=np.full(3000, 0.5))
    text = "input: q.npz\nmodel: {name: auto, effort: fast}\nbounds: {a: {abs: 0.01}, b: {abs: '0.2 * b_err'}}\n"
    (folder / "q.yaml").write_text(text + "derived: {s: {of: a + b, abs: 0.5}}\noutput: out\n")
    assert command("scan", folder / "q.yaml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (quantity,) = found["derived"]
    beyond = {round(rung["factor"], 4): rung["beyond"] for rung in quantity["rungs"]}
    assert beyond[1.0] == 0
    assert beyond[10.0] > 0.1
    largest = next(rung["largest"] for rung in quantity["rungs"] if rung["factor"] == 1)
    assert 0.05 < largest <= 0.11 * 1.001
    bits = {one["name"]: [rung["bits"] for rung in one["rungs"]] for one in found["variables"]}
    # A value in steps of a fifth of its error: no bits for the error itself, which is constant.
    assert np.log2(10 / 0.2) - 1.5 < bits["b"][4] < np.log2(10 / 0.2) + 1.5


def test_a_sample_of_a_field_has_its_coordinates(tmp_path: Path) -> None:
    import xarray as xr

    pytest.importorskip("netCDF4")
    sizes = {"time": 30, "lat": 90, "lon": 120}
    field = RANDOM.normal(size=tuple(sizes.values())).astype("f4")
    coordinates = {dim: np.arange(float(length)) for dim, length in sizes.items()}
    path = tmp_path / "f.nc"
    orography = ("lat", "lon"), field[0]
    xr.Dataset({"t": (tuple(sizes), field), "orography": orography}, coordinates).to_netcdf(path)
    config = tmp_path / "c.yaml"
    config.write_text("input: f.nc\nbounds: {t: {abs: 0.1}}\n")
    registry = load_plugins()
    loaded = load_config(config, registry)
    given = input_of(path, loaded, registry)
    with given.source:
        for pieces in (1, 3):
            sample = sampled(given, frozenset(given.source.schema.names), 60_000, pieces=pieces)
            found = sample.source.schema.sizes
            arrays = {n: b[n].values for b in sample.source.blocks(1 << 30) for n in b.variables}
            assert arrays["t"].shape == tuple(found[dim] for dim in sizes)
            assert arrays["orography"].shape == (found["lat"], found["lon"])
            assert arrays["lon"].shape == (found["lon"],)
            # the coordinates are those of the values
            first = int(arrays["lat"][0]), int(arrays["lon"][0])
            times = arrays["time"].astype(int)
            expected = field[times][:, first[0] : first[0] + found["lat"], first[1] : first[1] + found["lon"]]
            assert np.array_equal(arrays["t"], expected)


class _Counted(ArraySource):
    """Says which rows were read."""

    def __init__(self, schema: Schema, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(schema, arrays)
        self.reads: list[slice] = []

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        self.reads.append(rows)
        return super().read(variables, rows)


def test_a_sample_from_several_places_reads_these_alone() -> None:
    """Trees of hundreds of branches were read in pieces of some rows to count these, which took minutes."""
    columns = {"x": np.arange(300_000.0), "y": np.arange(300_000) % 7}
    variables = tuple(Variable(name, values.dtype.str, ("r",)) for name, values in columns.items())
    source = _Counted(Schema(variables, {"r": 300_000}), columns)
    sample = sampled(Input(NpzReader(), source, "made", 0), frozenset(columns), 48_000, pieces=3)
    assert len(source.reads) == 3
    (block,) = sample.source.blocks(1 << 40)
    found = block.variables["x"].values
    assert 2000 <= len(found) <= 3100
    assert block.variables["y"].values.tolist() == (found % 7).tolist()
    # from the middle of each third
    starts = found[[0, *(np.flatnonzero(np.diff(found) > 1) + 1)]]
    assert starts == pytest.approx([50_000, 150_000, 250_000], abs=2000)
