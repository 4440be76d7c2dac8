"""awkward arrays come back with their types, records, missing values and names, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import baler_core
from baler_core import BalerError, DataError
from baler_core.plugin.registry import load_plugins
from baler_core.testing import check_object_kind

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, 300)


def jagged(values: np.ndarray) -> ak.Array:
    return ak.unflatten(values, COUNTS)


JETS = ak.zip(
    {"pt": jagged(RNG.exponential(30, COUNTS.sum())), "eta": jagged(RNG.normal(size=COUNTS.sum()))},
    with_name="Momentum4D",
)
EVENTS = ak.zip({"Jet": JETS, "run": np.arange(300), "MET": RNG.normal(size=300)}, depth_limit=1)
ARRAYS: dict[str, Any] = {
    "events": EVENTS,
    "lists side by side": ak.Array({"Jet_pt": JETS.pt, "Jet_eta": JETS.eta, "x": np.arange(300)}),
    "lists": ak.Array([[1, 2], [], [3]]),
    "lists of lists": ak.Array([[[1.5], []], [], [[2.0, 3.0]]]),
    "lists of nothing": ak.Array([[], []]),
    "missing": ak.Array([1, None, 3]),
    "missing lists": ak.Array([[1, None], None, []]),
    "missing records": ak.Array([{"a": 1, "b": [1, 2]}, None]),
    "masked": JETS.mask[JETS.pt > 20],
    "regular": ak.to_regular(ak.Array([[1, 2], [3, 4]])),
    "regular records": ak.to_regular(ak.Array([[{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}]])),
    "regular and empty": ak.to_regular(ak.Array(np.zeros((3, 0)))),
    "matrix": ak.Array(np.arange(6.0).reshape(2, 3)),
    "texts": ak.Array(["a", "bb", ""]),
    "lists of texts": ak.Array([["a", "bb"], []]),
    "missing texts": ak.Array(["a", None]),
    "bytes": ak.Array([b"a", b"bc"]),
    "tuples": ak.Array([(1, 2.5), (3, 4.0)]),
    "bools": ak.Array([True, False]),
    "times": ak.Array(np.array(["2020-01-01"], "M8[s]")),
    "complex": ak.Array([1 + 2j]),
    "turned": EVENTS[::-1][3:50],
    "no entries": EVENTS[:0],
}


def returned(data: Any, path: Path, **more: Any) -> Any:
    more = {"bounds": "lossless", "model": "scalar"} | more
    baler_core.compress(data, path / "x.bal", **more)
    return baler_core.open(path / "x.bal")


@pytest.mark.parametrize("block_bytes", [1 << 26, 2000])
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_returns_as_it_was(name: str, block_bytes: int, tmp_path: Path) -> None:
    after = returned(ARRAYS[name], tmp_path, block_bytes=block_bytes)
    assert str(after.type) == str(ARRAYS[name].type)
    assert ak.to_list(after) == ak.to_list(ARRAYS[name])
    baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert archive.files


ENTRIES = st.lists(
    st.fixed_dictionaries({"a": st.lists(st.one_of(st.none(), st.integers(0, 99))), "b": st.text(max_size=3)})
)


@settings(max_examples=30, deadline=None)
@given(ENTRIES.filter(bool))
def test_any_records_return(tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]]) -> None:
    before = ak.Array(entries)
    after = returned(before, tmp_path_factory.mktemp("any"))
    assert str(after.type) == str(before.type)
    assert ak.to_list(after) == entries


def test_bounds_reach_fields_by_their_joined_names(tmp_path: Path) -> None:
    after = returned(EVENTS, tmp_path, bounds={"Jet_pt": {"rel": 1e-3}, "*": "lossless"}, model="auto")
    error = np.abs(ak.flatten(after.Jet.pt / EVENTS.Jet.pt) - 1)
    assert 0 < np.max(error) <= 1e-3
    assert ak.to_list(after.Jet.eta) == ak.to_list(EVENTS.Jet.eta)
    flat = baler_core.open(tmp_path / "x.bal", as_="numpy")
    assert list(flat) == ["nJet", "Jet_pt", "Jet_eta", "run", "MET"]
    assert flat["nJet"].tolist() == COUNTS.tolist()


def test_fields_may_be_chosen(tmp_path: Path) -> None:
    assert ak.fields(returned(EVENTS, tmp_path, variables=["run", "M*"])) == ["run", "MET"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ak.Array({"good": [1, 2], "mixed": ak.Array([1, "a"])}), "'mixed' is of type union.*: make it of one type"),
        (
            ak.Array({"c": ak.str.to_categorical(["a", "b", "a"])}),
            "'c' is of type categorical.*: convert it by ak.from_categorical",
        ),
        (ak.Array([]), "no arrays"),
        (ak.Array([{"x": 1}, [2]]), "union"),
    ],
)
def test_what_cannot_be_held_is_refused_by_name(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        baler_core.compress(data, tmp_path / "x.bal")
    assert not list(tmp_path.iterdir())


def test_there_is_no_dataset_of_lists(tmp_path: Path) -> None:
    returned(EVENTS, tmp_path)
    with pytest.raises(DataError, match="as_='xarray'"):
        baler_core.open(tmp_path / "x.bal", as_="xarray")


def test_without_the_plugin_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    returned(EVENTS, tmp_path)
    monkeypatch.setenv("BALER_DISABLE_PLUGINS", "root")
    with pytest.raises(DataError, match=r"awkward.*pip install 'baler-core\[hep\]'"):
        baler_core.compress(EVENTS, tmp_path / "y.bal")
    with pytest.raises(BalerError, match="pip install 'baler-root'"):
        baler_core.open(tmp_path / "x.bal")


def test_arrays_stand_the_checks_of_the_core() -> None:
    array = ak.Array({"x": [1.0, 2.0, 3.0], "jets": [[{"pt": 1.5}], [], [{"pt": 2.5}, {"pt": 3.5}]]})
    check_object_kind(load_plugins().object_kind("awkward")(), array)
