"""Libraries that open files with uproot read .bal files: by what `baler_root.open` returns, or by its options of uproot."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from uproot.behaviors.TBranch import HasBranches

import baler_core
import baler_root

rng = np.random.default_rng(4)
EVENTS = 400
PAIRS = (20, (0, 200))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Events as NanoAOD names them, and a tree in a folder; the copy is lossless but for pt and mass."""
    folder = tmp_path_factory.mktemp("by_uproot")
    counts = rng.poisson(3, EVENTS)
    size = counts.sum()
    momenta = {"pt": rng.exponential(30, size), "eta": rng.normal(size=size), "phi": rng.uniform(-3, 3, size)}
    momenta["mass"] = rng.exponential(5, size)
    jets = ak.zip({name: ak.unflatten(values.astype("f4"), counts) for name, values in momenta.items()})
    columns = {"Jet": jets, **{name: np.arange(EVENTS, dtype="u4") for name in ("run", "luminosityBlock", "event")}}
    with uproot.recreate(folder / "a.root") as file:
        tree = file.mktree("Events", {name: ak.type(ak.Array(one)).content for name, one in columns.items()})
        tree.extend(columns)
        file.mktree("folder/Runs", {"run": "i8"}, title="of runs").extend({"run": np.arange(3)})
        flat = {f"Jet_{name}": jets[name] for name in ak.fields(jets)}
        file.mkrntuple(
            "Fields",
            {"nJet": counts.astype("i4"), **flat, **{n: columns[n] for n in ("run", "luminosityBlock", "event")}},
        )
    bounds = {"Jet_pt": {"rel": 1e-3}, "Jet_mass": {"rel": 1e-3}}
    model = {"name": "auto", "effort": "fast"}
    baler_core.compress(folder / "a.root", folder / "a.bal", bounds=bounds, model=model, block_bytes=8_000)
    return folder / "a.root", folder / "a.bal"


def test_uproot_opens_the_trees_of_a_path(files: tuple[Path, Path]) -> None:
    options = baler_root.uproot_options()
    path = str(files[1])
    with uproot.open(files[0]) as original, uproot.open(path, **options) as opened:
        assert opened.keys(filter_classname="TTree") == original.keys(filter_classname="TTree")
        assert opened.classnames() == original.classnames()
        assert opened["folder/Runs"].title == "of runs"
        tree, expected = opened["Events"], original["Events"]
        assert ak.array_equal(tree.arrays(["Jet_eta", "run"]), expected.arrays(["Jet_eta", "run"]))
        with baler_root.open(path) as ours:
            assert opened.file.uuid == tree.file.uuid == ours.uuid == pickle.loads(pickle.dumps(tree)).file.uuid  # noqa: S301
            assert isinstance(ours, uproot.ReadOnlyDirectory)
    parts = uproot.iterate({path: "Events"}, ["Jet_eta"], step_size=150, **options)
    assert [len(part) for part in parts] == [150, 150, 100]
    with pytest.raises(baler_core.DataError, match="the name of a tree goes apart"):
        uproot.open(f"{path}:Events", **options)
    with pytest.raises(baler_core.FormatError):
        uproot.open(str(files[0]), **options)


def test_what_uproot_opens_can_be_sent_to_other_processes(files: tuple[Path, Path]) -> None:
    with uproot.open(files[1], **baler_root.uproot_options()) as opened:
        again = pickle.loads(pickle.dumps(opened))  # noqa: S301
        assert ak.array_equal(again["Events/run"].array(), opened["Events"]["run"].array())


def test_branches_tell_what_uproot_tells_of_them(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        tree, expected = ours["Events"], original["Events"]
        assert isinstance(tree, HasBranches)
        for name in tree.keys(ignore_duplicates=True):
            found, wanted = tree[name].interpretation, expected[name].interpretation
            assert found.awkward_form(tree.file) == wanted.awkward_form(expected.file), name
            assert found.numpy_dtype == wanted.numpy_dtype, name
        asked: dict[str, Any] = {"ak_add_doc": {"__doc__": "title", "typename": "typename"}, "array_cache": None}
        columns = (one.arrays(["Jet_eta", "run"], how=dict, **asked) for one in (tree, expected))
        found, wanted = ({n: a.layout.parameters for n, a in one.items()} for one in columns)
        assert found == wanted
        tables = (one.arrays(["run"], ak_add_doc=True) for one in (ours["folder/Runs"], original["folder/Runs"]))
        found, wanted = (table.layout.parameters for table in tables)
        assert found == wanted == {"__doc__": "of runs"}
        ((_, report),) = tree.iterate(["run"], step_size=EVENTS, report=True)
        assert (report.tree.name, report.file_path) == ("Events", str(files[1]))
        branch = tree["run"]
        chosen = branch.array(branch.interpretation, 3, 5, decompression_executor=None, ak_add_doc=True)
        assert chosen.to_list() == [3, 4]
        assert chosen.layout.parameters == {"__doc__": expected["run"].title}
        with pytest.raises(baler_core.ConfigError, match="no bytes of ROOT to interpret"):
            branch.array(expected["run"].interpretation)
        assert tree.common_entry_offsets() == [0, 100, 200, 300, EVENTS]
        assert ours["folder/Runs"].common_entry_offsets() == [0, 3]


def masses(events: Any) -> np.ndarray:
    pairs = events[ak.num(events.Jet) >= 2].Jet
    return np.histogram(ak.to_numpy((pairs[:, 0] + pairs[:, 1]).mass), *PAIRS)[0]


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether few pairs moved into the next bin."""
    return bool(np.abs(first - second).sum() <= 0.05 * first.sum() > 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("tree", ["Events", "Fields"])
def test_coffea_makes_events_of_it(files: tuple[Path, Path], tree: str) -> None:
    """Of a TTree, and of an RNTuple."""
    nanoevents = pytest.importorskip("coffea.nanoevents")
    make = nanoevents.NanoEventsFactory.from_root
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        expected = masses(make(original, treepath=tree).events())
        log: list[Any] = []
        for mode, more in (("virtual", {"access_log": log}), ("eager", {"preload": ["Jet_pt", "nJet"]})):
            assert close(expected, masses(make(ours, treepath=tree, mode=mode, **more).events())), mode
        assert {one.branch for one in log} == {"nJet", *(f"Jet_{name}" for name in ("pt", "eta", "phi", "mass"))}
        part = make(ours, treepath=tree, entry_start=5, entry_stop=9, schemaclass=nanoevents.BaseSchema).events()
        assert part.run.to_list() == [5, 6, 7, 8]
    events = make({str(files[1]): tree}, uproot_options=baler_root.uproot_options()).events()
    assert close(expected, masses(events))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("tree", ["Events", "Fields"])
def test_coffea_makes_events_for_dask_of_paths(files: tuple[Path, Path], tree: str) -> None:
    """Of open files it does not, those of uproot included."""
    nanoevents = pytest.importorskip("coffea.nanoevents")
    pytest.importorskip("dask_awkward")
    options = baler_root.uproot_options()
    make = nanoevents.NanoEventsFactory.from_root
    events = make({str(files[1]): tree}, mode="dask", uproot_options=options).events()
    with baler_root.open(files[1]) as ours:
        assert ak.array_equal(
            events.Jet.eta.compute(scheduler="sync"), ours[tree]["Jet_eta"].array(), check_parameters=False
        )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_processors_of_coffea_run_over_it(files: tuple[Path, Path]) -> None:
    processor = pytest.importorskip("coffea.processor")

    class Masses(processor.ProcessorABC):  # type: ignore[misc, name-defined]
        def process(self, events: Any) -> Any:
            return {"masses": masses(events), "entries": len(events)}

        def postprocess(self, accumulator: Any) -> Any:
            return accumulator

    found = []
    for path, options in zip(files, ({}, baler_root.uproot_options()), strict=True):
        run = processor.Runner(processor.IterativeExecutor(status=False), chunksize=150)
        found.append(run({"sample": {"files": {str(path): "Events"}}}, Masses(), uproot_options=options))
    assert found[0]["entries"] == found[1]["entries"] == EVENTS
    assert close(found[0]["masses"], found[1]["masses"])


def test_dask_of_uproot_reads_it(files: tuple[Path, Path]) -> None:
    pytest.importorskip("dask_awkward")
    import dask

    expected = uproot.open(files[0])["Events"]["Jet_eta"].array()
    with dask.config.set({"awkward.optimization.enabled": False, "scheduler": "sync"}):
        for taken, options in (
            (baler_root.open(files[1])["Events"], {"step_size": 150}),
            ({str(files[1]): "Events"}, {"open_files": False, "steps_per_file": 3, **baler_root.uproot_options()}),
        ):
            events = uproot.dask(taken, **options)
            assert events.npartitions == 3
            assert ak.array_equal(events.Jet_eta.compute(), expected)
