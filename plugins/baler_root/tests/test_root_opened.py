"""`baler_root.open` reads a .bal file as `uproot.open` reads its original: the same arrays, and the same histograms."""

from __future__ import annotations

import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
import baler_root
from baler_core import DataError

FAST = {"name": "auto", "effort": "fast"}
rng = np.random.default_rng(4)
EVENTS = 400


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Events with jets, texts, matrices and nested lists, and a second tree in a folder; the copy is lossless but for pt."""
    folder = tmp_path_factory.mktemp("opened")
    counts = rng.poisson(2.5, EVENTS)
    jets = ak.zip({"pt": ak.unflatten(rng.exponential(30, counts.sum()).astype("f4"), counts),
                   "eta": ak.unflatten(rng.normal(size=counts.sum()), counts)})  # fmt: skip
    columns = {
        "Jet": jets,
        "run": np.arange(EVENTS, dtype="u4"),
        "met": rng.exponential(20, EVENTS),
        "matrix": rng.normal(size=(EVENTS, 2, 3)),
    }
    with uproot.recreate(folder / "a.root") as file:
        write_tree(file, "Events", columns)
        write_tree(file, "folder/Runs", {"run": np.arange(3), "lumi": np.array([1.5, 2.5, 3.5])})
        file["histogram"] = np.histogram(rng.normal(size=100))
    baler_core.compress(
        folder / "a.root", folder / "a.bal", bounds={"*Jet_pt": {"rel": 1e-3}}, model=FAST, block_bytes=8_000
    )
    return folder / "a.root", folder / "a.bal"


def write_tree(file: Any, name: str, columns: dict[str, Any]) -> None:
    tree = file.mktree(name, {key: ak.type(ak.Array(value)).content for key, value in columns.items()}, title="title")
    tree.extend(columns)


def same(first: Any, second: Any, name: str) -> None:
    assert ak.type(first) == ak.type(second), name
    if name == "Jet_pt":
        assert ak.all(ak.num(first) == ak.num(second))
        np.testing.assert_allclose(ak.flatten(second), ak.flatten(first), rtol=1.01e-3)
    else:
        assert ak.array_equal(first, second, equal_nan=True), name


def test_trees_and_branches_go_by_the_same_names(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        assert list(ours) == list(original) == ["Events;1", "folder;1", "folder/Runs;1", "histogram;1"]
        for name in ("Events", "Events;1", "folder/Runs"):
            tree, other = original[name], ours[name]
            assert (other.name, other.num_entries, other.title) == (tree.name, tree.num_entries, tree.title)
            assert list(other.keys()) == tree.keys()
            assert {k: other[k].typename for k in ("run",)} == {"run": tree["run"].typename}
            assert other.keys(filter_name="*et_*") == tree.keys(filter_name="*et_*")
        assert baler_root.open(f"{files[1]}:folder/Runs").num_entries == 3


@pytest.mark.parametrize(("start", "stop"), [(None, None), (37, 111), (-20, None), (399, 400), (10, 10), (50, 10**6)])
def test_entries_are_those_of_uproot(files: tuple[Path, Path], start: Any, stop: Any) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, other = original["Events"], ours["Events"]
        for name in list(tree.keys()):
            expected = tree[name].array(entry_start=start, entry_stop=stop)
            same(expected, other[name].array(entry_start=start, entry_stop=stop), name)
        chosen = other.arrays(["Jet_eta", "met"], entry_start=start, entry_stop=stop)
        expected = tree.arrays(["Jet_eta", "met"], entry_start=start, entry_stop=stop)
        assert ak.fields(chosen) == ["Jet_eta", "met"]
        assert ak.array_equal(chosen, expected)


def test_iteration_covers_everything_once(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        for step in (64, "2 kB"):
            parts = list(ours["Events"].iterate(["run", "Jet_eta"], step_size=step))
            assert len(parts) > 3
            assert ak.array_equal(ak.concatenate(parts), original["Events"].arrays(["run", "Jet_eta"]))


def test_numpy_and_pandas(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, other = original["Events"], ours["Events"]
        expected = tree.arrays(["run", "matrix", "Jet_eta"], entry_stop=9, library="np")
        found = other.arrays(["run", "matrix", "Jet_eta"], entry_stop=9, library="np")
        assert {k: v.dtype for k, v in found.items()} == {k: v.dtype for k, v in expected.items()}
        for name in expected:
            for one, two in zip(found[name], expected[name], strict=True):
                np.testing.assert_array_equal(one, two)
        frame = other.arrays(["run", "met"], entry_start=5, entry_stop=9, library="pd")
        assert frame.equals(tree.arrays(["run", "met"], entry_start=5, entry_stop=9, library="pd"))
        first, second = other.arrays(["run", "met"], how=tuple)
        assert (len(first), len(second)) == (EVENTS, EVENTS)


FILTERS: list[dict[str, Any]] = [
    {"filter_name": "/jet_(pt|ETA)/i"},
    {"filter_name": ["run", "Jet*"]},
    {"filter_name": "nothing*"},
    {"filter_typename": "*int32_t"},
    {"filter_name": lambda name: name.startswith("m"), "filter_branch": lambda branch: branch.name != "met"},
    {"full_paths": False},
]


def test_filters_choose_what_they_choose_in_uproot(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, other = original["Events"], ours["Events"]
        for filters in FILTERS:
            assert other.keys(**filters) == tree.keys(**filters), filters
            assert other.typenames(**filters) == tree.typenames(**filters), filters
        assert ours.keys(cycle=True, recursive=False, filter_classname="TTree") == ["Events;1"]
        assert ours["folder/Runs;1/lumi"].array().to_list() == [1.5, 2.5, 3.5]
        with pytest.raises(TypeError, match="filter_nmae"):
            other.arrays(["run"], filter_nmae="x")
        with pytest.raises(baler_core.ConfigError, match="no regular expression"):
            other.keys(filter_name="/(/")


COMPUTED: list[dict[str, Any]] = [
    {"expressions": ["met*2", "run"]},
    {"expressions": "sqrt(met**2 + 1)", "cut": "(met > 20) & (run % 2 == 0)"},
    {"expressions": ["Jet_eta", "Jet_eta**2"], "cut": "abs(Jet_eta) < 1"},
    {
        "expressions": ["double"],
        "aliases": {"double": "2 * near", "near": "where(met < 10, met, 10)"},
        "cut": "double > 3",
    },
    {"expressions": ["Jet_eta", "nJet", "met"], "how": "zip"},
    {"filter_name": "m*", "cut": "met > 20"},
]


def test_expressions_cuts_and_aliases_are_those_of_uproot(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, other = original["Events"], ours["Events"]
        for asked in COMPUTED:
            expected, found = (one.arrays(**asked, entry_start=7) for one in (tree, other))
            assert ak.type(found) == ak.type(expected), asked
            assert ak.array_equal(found, expected), asked
        for library in ("numpy", "pandas"):
            expected, found = (one.arrays(["met", "2*run"], "met > 20", library=library) for one in (tree, other))
            for name in expected:
                np.testing.assert_array_equal(found[name], expected[name])
        parts = other.iterate("met*2", "met > 20", step_size="1KiB", report=True)
        assert sum(report.stop - report.start for _, report in parts) == EVENTS
        with pytest.raises(KeyError, match=r"there is no branch 'mett'\. Did you mean 'met'"):
            other.arrays("2 * mett")
        for wrong in ({"expressions": "met +"}, {"expressions": "a", "aliases": {"a": "b", "b": "a"}}):
            with pytest.raises(baler_core.ConfigError, match="cannot be computed"):
                other.arrays(**wrong)


ESCAPES = (
    "().__class__.__base__.__subclasses__()",
    "''.join(['a'])",
    "(lambda: met)()",
    "[x for x in [met]]",
    "f'{met}'",
)


def test_names_from_a_file_and_more_than_arithmetic_are_never_run(tmp_path: Path, files: tuple[Path, Path]) -> None:
    code = "().__class__.__base__.__subclasses__()"
    columns = {"x": np.arange(9.0), f"A/{code}": np.arange(9), f"B/{code}": np.arange(9), code: np.arange(9) * 2}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {name: values.dtype for name, values in columns.items()}).extend(columns)
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", model=FAST)
    with baler_root.open(tmp_path / "a.bal") as opened:
        tree = opened["t"]
        for how in ({}, {"filter_name": "*"}, {"full_paths": False}):
            found = tree.arrays(cut="x > 4", library="np", how=dict, **how)
            assert all(values.dtype.kind in "if" and len(values) == 4 for values in found.values())
        with pytest.raises(baler_core.ConfigError, match="cannot be computed: it may hold names"):
            tree.arrays([f"{code} "])
    with baler_root.open(files[1]) as opened:
        for expression in ESCAPES:
            for asked in (
                {"expressions": expression},
                {"cut": expression},
                {"expressions": "a", "aliases": {"a": expression}},
            ):
                with pytest.raises(baler_core.ConfigError, match="cannot be computed: it may hold names"):
                    opened["Events"].arrays(**asked)


def test_many_files_are_read_as_one(files: tuple[Path, Path]) -> None:
    place = f"{files[1]}:Events"
    with baler_root.open({files[1]: "Events"}) as tree:
        one = tree.arrays(["run", "Jet_eta"])
        assert ak.array_equal(tree["run"].arrays().run, one.run)
        assert np.asarray(tree["run"]).tolist() == one.run.to_list()
    assert ak.array_equal(baler_root.concatenate([place, place], ["run", "Jet_eta"]), ak.concatenate([one, one]))
    assert (
        baler_root.concatenate(f"{files[1].parent}/*.bal:Events", ["met"], "met > 20", library="np")["met"].min() > 20
    )
    assert [len(part) for part in baler_root.iterate([place, place], "run", step_size=300)] == [300, 100, 300, 100]
    with pytest.raises(baler_core.ConfigError, match=r"which tree\? It holds Events, folder/Runs"):
        baler_root.concatenate(str(files[1]))


def invariant(events: Any) -> np.ndarray:
    """A small analysis: leading pairs of central jets."""
    jets = ak.zip({"pt": events.Jet_pt, "eta": events.Jet_eta})
    jets = jets[(abs(jets.eta) < 2) & (jets.pt > 5)]
    pairs = ak.combinations(jets[ak.argsort(jets.pt, ascending=False)], 2)
    first, second = ak.unzip(pairs[ak.num(pairs) > 0][:, :1])
    masses = np.sqrt(2 * first.pt * second.pt * (np.cosh(first.eta - second.eta) + 1))
    return np.histogram(ak.to_numpy(ak.flatten(masses)), bins=12, range=(0, 300))[0]


def test_an_analysis_gives_the_same_histogram(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        expected = invariant(original["Events"].arrays(["Jet_pt", "Jet_eta"]))
        found = invariant(ours["Events"].arrays(["Jet_pt", "Jet_eta"]))
    assert expected.sum() > 100
    assert np.abs(expected - found).sum() <= 4  # a pair at the edge of a bin may fall into the next


def test_a_range_of_entries_reads_a_part_of_the_file(files: tuple[Path, Path]) -> None:
    with baler_root.open(files[1]) as ours:
        tree = pickle.loads(pickle.dumps(ours["Events"]))  # noqa: S301
        assert tree["run"].array(entry_start=3, entry_stop=7).to_list() == [3, 4, 5, 6]
        assert len(tree.parent.stored.header.blocks) > 3


def test_what_is_not_there_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    with baler_root.open(files[1]) as ours:
        with pytest.raises(KeyError, match=r"there is no tree or object called 'Event'\. Did you mean 'Events'"):
            ours["Event"]
        with pytest.raises(KeyError, match=r"there is no branch 'Jet_pz'\. Did you mean 'Jet_pt'"):
            ours["Events"].arrays(["Jet_pz"])
        with pytest.raises(baler_core.ConfigError, match="there is no such library"):
            ours["Events"].arrays(["run"], library="nd")  # type: ignore[arg-type]
    baler_core.compress(np.arange(4.0), tmp_path / "b.bal")
    with pytest.raises(DataError, match="was made by the reader 'python', not of a ROOT file"):
        baler_root.open(tmp_path / "b.bal")


def test_a_branch_that_is_not_there_may_be_one_that_is_kept_unread(tmp_path: Path) -> None:
    baler_core.compress(Path(__file__).parent / "data" / "collections.root", tmp_path / "a.bal", bounds="lossless")
    with baler_root.open(f"{tmp_path}/a.bal:events") as tree, pytest.raises(KeyError) as caught:
        tree["Params"]
    assert "2 more branches come back only when the file is restored." in str(caught.value)


def test_fields_of_ntuples_are_read_like_those_of_uproot(tmp_path: Path) -> None:
    counts = rng.poisson(2.5, 50)
    inner = rng.integers(0, 3, counts.sum())
    jets = ak.zip(
        {"pt": ak.unflatten(rng.normal(size=counts.sum()), counts), "id": ak.unflatten(inner.astype("i4"), counts)}
    )
    hits = ak.unflatten(ak.unflatten(np.arange(inner.sum(), dtype="i4"), inner), counts)
    with uproot.recreate(tmp_path / "a.root") as file:
        texts = ak.Array([f"event {n % 7}" for n in range(50)])
        file.mkrntuple("Events", {"Jet": jets, "hits": hits, "name": texts, "run": np.arange(50)})
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", model=FAST)
    with uproot.open(tmp_path / "a.root") as original, baler_root.open(tmp_path / "a.bal") as ours:
        tree, other = original["Events"], ours["Events"]
        assert ak.array_equal(other.arrays(entry_start=7, entry_stop=31), tree.arrays(entry_start=7, entry_stop=31))
        assert set(other.keys()) == set(tree.keys())
        assert other.typenames() == tree.typenames()
        for names in ("Jet.id", "Jet*", ["run", "Jet.pt"], ["Jet.pt", "Jet"]):
            found, wanted = (one.arrays(filter_name=names, entry_stop=9) for one in (other, tree))
            assert found.type == wanted.type
            assert ak.array_equal(found, wanted), names
        assert other.keys(filter_typename="std::vector<*") == tree.keys(filter_typename="std::vector<*") == ["hits"]
        for name in ("Jet", "Jet.pt", "Jet.id", "hits", "name"):
            assert ak.array_equal(other[name].array(entry_start=7), tree[name].array(entry_start=7)), name


def test_virtual_arrays_restore_the_branches_that_are_used(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, other = original["Events"], ours["Events"]
        read: list[str] = []
        branch = type(other["Jet_pt"])
        honest = branch.read
        monkeypatch.setattr(
            branch, "read", lambda self, *rest, **more: (read.append(self.name), honest(self, *rest, **more))[1]
        )
        events = other.arrays(virtual=True, entry_start=30, entry_stop=-20)
        expected = tree.arrays(entry_start=30, entry_stop=-20)
        read.clear()
        sums = ak.sum(events.Jet_eta, axis=1)
        assert ak.all(sums == ak.sum(expected.Jet_eta, axis=1))
        assert read == ["Jet_eta"]
        for name in expected.fields:
            same(expected[name], events[name], name)
        assert len(read) == len(set(read)), "each branch is restored once"
        apart = other.arrays(["run", "met"], how=dict, virtual=True)
        assert ak.array_equal(apart["run"], tree["run"].array())
        with pytest.raises(baler_core.ConfigError, match="virtual arrays are those of awkward"):
            other.arrays(virtual=True, library="np")


def test_dask_restores_the_branches_that_are_used(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dask_awkward = pytest.importorskip("dask_awkward")
    import dask

    late = tuple(map(int, version("dask").split(".")[:2])) >= (2025, 4)
    if late:
        with baler_root.open(files[1]) as ours, pytest.raises(baler_core.ConfigError, match="cannot optimise"):
            ours["Events"].dask()
    with (
        dask.config.set({"awkward.optimization.enabled": not late}),
        uproot.open(files[0]) as original,
        baler_root.open(files[1]) as ours,
    ):
        tree, other = original["Events"], ours["Events"]
        events = other.dask(step_size=70)
        assert isinstance(events, dask_awkward.Array)
        assert events.divisions[1:3] == (70, 140)
        read: list[str] = []
        branch = type(other["Jet_pt"])
        honest = branch.read

        def noted(self: Any, start: int, stop: int, library: Any) -> Any:
            read.extend([self.name] if stop > start else [])  # types are known from no entries at all
            return honest(self, start, stop, library)

        monkeypatch.setattr(branch, "read", noted)
        sums = ak.sum(events.Jet_pt, axis=1).compute(scheduler="sync")
        assert set(read) == {"Jet_pt"}
        assert ak.all(
            abs(sums - ak.sum(tree["Jet_pt"].array(), axis=1)) <= 2e-3 * ak.sum(tree["Jet_pt"].array(), axis=1)
        )
        chosen = other.dask(filter_name="Jet_*", step_size="1 kB")
        assert set(chosen.fields) == {"Jet_pt", "Jet_eta"}
        with pytest.raises(baler_core.ConfigError, match=r"dask\(step_size=0\)"):
            other.dask(step_size=0)
