"""Arguments from Python are checked like a configuration file, and problems name the argument."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import ConfigError, DataError, ErrorBound

DATA = {name: np.random.default_rng(2).normal(size=50) for name in ("abs", "x")}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"training": {"epohcs": 3}}, r"compress\(training=...\): unknown key 'epohcs'. Did you mean 'epochs'"),
    ({"training": {"epochs": "many"}}, r"compress\(training=...\): epochs: wanted"),
    ({"training": 3}, r"compress\(training=...\): wanted"),
    ({"model": {"efort": "fast"}}, r"compress\(model=...\): unknown key 'efort'. Did you mean 'effort'"),
    ({"model": {"ratio": 6}}, r"compress\(model=...\): name: wanted the name of a model"),
    ({"model": {"effort": "quick"}}, r"compress\(model=...\): effort: wanted"),
    ({"model": {"name": None}}, r"compress\(model=...\): name: wanted the name of a model"),
    ({"model": "scaler"}, r"compress\(model=...\): name: .*Did you mean 'scalar'"),
    ({"model": {"name": "transform", "efort": "max"}}, r"compress\(model=...\): unknown key 'efort'"),
    (
        {"preprocess": [{"name": "log", "varables": ["*"]}]},
        r"compress\(preprocess=...\): \[0\]: unknown key 'varables'",
    ),
    ({"preprocess": [{"variables": ["*"]}]}, r"compress\(preprocess=...\): \[0\].name: wanted the name"),
    ({"block_bytes": 3}, r"compress\(block_bytes=...\)"),
    ({"model_storage": "outside"}, r"compress\(model_storage=...\)"),
    ({"bounds": 5}, r"compress\(bounds=...\)"),
    ({"bounds": {"x": {"rel": "a"}}}, r"compress\(bounds=...\): x: "),
    ({"bounds": {"x": {"abs": [1]}}}, r"compress\(bounds=...\): x: "),
    ({"bounds": {"x": {"abs": "a"}}}, r"the bound of .x., .a., needs .a., which is not in this file"),
    ({"bounds": {"*": {"abs": 1}, "x": "lossless"}}, r"compress\(bounds=...\): x: never used"),
    ({"reader": "npz"}, r"compress\(reader=...\): only files"),
    ({"variables": [3]}, r"compress\(variables=...\): wanted a pattern"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[message for _, message in WRONG])
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        baler_core.compress(DATA, tmp_path / "x.bal", **arguments)
    assert not list(tmp_path.iterdir())


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        baler_core.train(DATA, tmp_path / "x.balm", training={"epohcs": 1}, model="scaler")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("train(") for line in lines)


@pytest.mark.parametrize(
    ("bounds", "lossy"),
    [
        ({"abs": 0.1}, {"abs", "x"}),
        ({"abs": np.float32(0.1)}, {"abs", "x"}),
        (MappingProxyType({"abs": 0.1}), {"abs", "x"}),
        ({"abs": "lossless", "x": {"abs": 0.1}}, {"x"}),
        ({"abs": {"abs": 0.1}, "x": "lossless"}, {"abs"}),
        ({"abs": ErrorBound("rel", 0.1), "x": "lossless"}, {"abs"}),
        ("lossless", set()),
    ],
)
def test_a_number_makes_a_bound_and_anything_else_a_variable(
    bounds: str | Mapping[str, Any], lossy: set[str], tmp_path: Path
) -> None:
    done = baler_core.compress(DATA, tmp_path / "x.bal", bounds=bounds, model="scalar")
    assert set(done.errors) == lossy


def test_options_without_a_name_are_those_of_auto(tmp_path: Path) -> None:
    named = baler_core.compress(
        DATA, tmp_path / "n.bal", bounds={"rel": 1e-3}, model={"name": "auto", "effort": "fast"}
    )
    unnamed = baler_core.compress(DATA, tmp_path / "u.bal", bounds={"rel": 1e-3}, model={"effort": "fast"})
    assert unnamed.path.read_bytes() == named.path.read_bytes()


def test_a_reader_of_a_file_takes_options_and_variables(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **DATA)
    baler_core.compress(tmp_path / "a.npz", tmp_path / "x.bal", reader="npz", variables="x")
    assert list(baler_core.open(tmp_path / "x.bal")) == ["x"]
    baler_core.compress(tmp_path / "a.npz", tmp_path / "x.bal", reader={"name": "npz", "variables": ["a*"]})
    assert list(baler_core.open(tmp_path / "x.bal")) == ["abs"]
    with pytest.raises(ConfigError, match=r"compress\(reader=...\): unknown key 'tre'"):
        baler_core.compress(tmp_path / "a.npz", tmp_path / "y.bal", reader={"name": "npz", "tre": 1})


def test_the_functions_are_public() -> None:
    for name in ("compress", "train", "decompress", "open"):
        assert name in baler_core.__all__
        assert name in dir(baler_core)
        assert callable(getattr(baler_core, name))
    with pytest.raises(AttributeError, match="compres"):
        baler_core.compres  # noqa: B018


@pytest.mark.parametrize(
    ("name", "right"), [("a.nc", "a.npy"), ("a", "a.npy"), ("a.npz", "a.npy"), ("a.npy.gz", "a.npy")]
)
def test_an_output_of_another_format_is_refused(name: str, right: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    baler_core.compress(tmp_path / "x.npy", tmp_path / "x.bal")
    with pytest.raises(DataError, match=f"name it {right}$"):
        baler_core.decompress(tmp_path / "x.bal", tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("original", "allowed"), [("x.odd", ["y.odd", "y.npy", "Y.NPY"]), ("x", ["y", "y.npy"])])
def test_the_suffix_of_the_original_is_right(original: str, allowed: list[str], tmp_path: Path) -> None:
    with (tmp_path / original).open("wb") as file:
        np.save(file, np.arange(3))
    baler_core.compress(tmp_path / original, tmp_path / "z.bal", reader="npy")
    for name in allowed:
        np.testing.assert_array_equal(np.load(baler_core.decompress(tmp_path / "z.bal", tmp_path / name)), np.arange(3))
    with pytest.raises(DataError, match="name it"):
        baler_core.decompress(tmp_path / "z.bal", tmp_path / "y.nc")


def test_objects_are_written_as_archives_only(tmp_path: Path) -> None:
    baler_core.compress(DATA, tmp_path / "x.bal")
    with pytest.raises(DataError, match=r"name it a\.npz"):
        baler_core.decompress(tmp_path / "x.bal", tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("function", "name", "near"),
    [
        ("compress", "bound", "bounds"),
        ("train", "block_size", "block_bytes"),
        ("open", "as", "as_"),
        ("decompress", "model", ""),
        ("compress_many", "tranied", "trained"),
    ],
)
def test_an_argument_that_there_is_not_gets_its_neighbour(function: str, name: str, near: str, tmp_path: Path) -> None:
    given = (tmp_path / "a.npz", tmp_path / "a.bal")[: 1 if function == "open" else 2]
    with pytest.raises(ConfigError, match=rf"{function}\(\) has no argument '{name}'") as raised:
        getattr(baler_core, function)(*given, **{name: 1})
    assert not near or f"Did you mean '{near}'" in str(raised.value)


@pytest.mark.parametrize("function", ["compress", "compress_many", "train"])
def test_signature_and_help_list_the_settings_with_their_defaults(function: str) -> None:
    known = inspect.signature(getattr(baler_core, function)).parameters
    assert known["model"].default == "auto"
    assert known["bounds"].kind is inspect.Parameter.KEYWORD_ONLY
    assert ("target" in known) is (function != "train")
    described = {name for line in getattr(baler_core, function).__doc__.splitlines() for name in line.split(", ")}
    assert {*known} - {"data", "path", "files", "folder", "overwrite"} <= described
