"""Many files at once: the bytes of a serial run, nothing done twice, nothing half done, whoever dies on the way."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import baler_core
from baler_core import BalerError, ConfigError, DataError, FormatError
from baler_core.api.file_set import FileSet
from baler_core.api.open_file import open_set
from baler_core.cli import main
from baler_core.machine.addresses import beside, name_of
from baler_core.machine.atomic_write import completed
from baler_core.machine.executors import Submits
from baler_core.machine.workers import Here, Processes
from baler_core.pipeline.many import short_tasks
from baler_core.pipeline.many.manifest import read_manifest
from baler_core.pipeline.many.schedule import TaskSchedule
from baler_core.pipeline.many.split import ListShare
from baler_core.pipeline.many.task import FileOutcome, FileTask

BOUNDS = {"x": {"rel": 1e-3}}
FILES = 4


def arrays(seed: int, rows: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rows or 300 + seed
    return {"x": rng.normal(size=rows).astype("<f4"), "k": rng.integers(0, 9, rows)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: some files and a configuration for them."""
    for seed in range(FILES):
        np.savez(tmp_path / f"run{seed}.npz", **arrays(seed))  # type: ignore[arg-type]
    (tmp_path / "c.yaml").write_text(
        'input: ["run*.npz"]\nbounds: {x: {rel: 1.0e-3}}\nmodel: scalar\noutput: out\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_main(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def many(files: list[Path], place: Path, **more: Any) -> Path:
    return baler_core.compress_many(files, place, bounds=BOUNDS, model="scalar", **more)


def contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(place.glob("*.bal"))}


def inputs(folder: Path) -> list[Path]:
    return sorted(folder.glob("run*.npz"))


class Counting(Here):
    """Runs tasks, and keeps their outcomes."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        future = super().submit(function, *arguments)
        self.states.append(future.result().state)
        return future


def states(files: list[Path], place: Path, **more: Any) -> list[str]:
    counting = Counting()
    many(files, place, executor=counting, **more)
    return counting.states


# ---- the same bytes


def test_processes_and_threads_write_what_a_loop_writes(folder: Path) -> None:
    assert run_main("compress", "c.yaml") == 0
    one_by_one = contents(folder / "out")
    assert run_main("compress", "c.yaml", "--workers", "2") == 0
    assert len(one_by_one) == FILES
    assert contents(folder / "out") == one_by_one
    with ThreadPoolExecutor(3) as executor:
        many(inputs(folder), folder / "threads", executor=executor)
    for path in inputs(folder):
        baler_core.compress(path, folder / "loop" / f"{path.stem}.bal", bounds=BOUNDS, model="scalar")
    assert contents(folder / "threads") == contents(folder / "loop")


def test_workers_begin_only_for_what_takes_longer_than_that(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def by_worker(pool: Processes, function: Callable[..., Any], /, *arguments: Any) -> Any:
        begun.append(arguments[0].source.name)
        return Here().submit(function, *arguments)

    monkeypatch.setattr(Processes, "submit", by_worker)
    monkeypatch.setattr(Processes, "begin", lambda pool: monkeypatch.setattr(Processes, "ready", True))
    np.savez(folder / "run9.npz", x=np.zeros(300_000))  # too large to be done by the process that keeps the list
    files = inputs(folder)
    many(files, folder / "out", workers=2)
    assert begun == ["run9.npz"]
    monkeypatch.setattr(short_tasks, "_SECONDS_TO_BEGIN", 0.0)
    many(files, folder / "soon", workers=2)
    assert begun == ["run9.npz", "run3.npz", "run9.npz"]  # after three were measured
    assert contents(folder / "out") == contents(folder / "soon")


def test_what_a_worker_warns_of_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Warns(Here):
        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
            future = super().submit(function, *arguments)
            future._result = replace(future.result(), messages=("look here",))
            return future

    many(inputs(folder), folder / "out", executor=Warns())
    assert "run0.npz: look here" in caplog.text


def test_one_model_serves_all_and_is_not_learned_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "c.yaml", "--train-once") == 0
    model = (folder / "out" / "run0.balm").read_bytes()
    manifest = read_manifest(folder / "out" / "c.balset")
    assert manifest.model is not None
    assert manifest.model.name == "run0.balm"
    capsys.readouterr()
    assert run_main("compress", "c.yaml", "--train-once") == 0
    told = capsys.readouterr()
    assert "training" not in told.err
    assert told.out.count("finished before") == FILES + 1
    assert (folder / "out" / "run0.balm").read_bytes() == model


def test_writers_into_one_folder_leave_each_other_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock

    def slow(*arguments: Any) -> None:
        time.sleep(0.005)
        lock(*arguments)

    monkeypatch.setattr(fcntl, "flock", slow)

    def write(number: int) -> None:
        with completed(tmp_path / f"{number}") as temporary:
            temporary.write_bytes(b"whole")

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(write, range(40)))
    assert len(list(tmp_path.iterdir())) == 40


# ---- resume


def test_finished_files_are_known_by_content_and_settings_not_by_name(folder: Path) -> None:
    files, place = inputs(folder), folder / "set"
    assert states(files, place) == ["done"] * FILES
    assert states(files, place) == ["skipped"] * FILES
    stamp = files[1].stat()
    content = bytearray(files[1].read_bytes())
    np.savez(files[1], **arrays(99, 301))  # type: ignore[arg-type]
    assert len(files[1].read_bytes()) == len(content)
    os.utime(files[1], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the same size and time, other values
    assert states(files, place) == ["skipped", "done", "skipped", "skipped"]
    (place / "run2.bal").write_bytes(b"something else")
    (place / "run3.bal").unlink()
    assert states(files, place) == ["skipped", "skipped", "done", "done"]
    assert states(files, place, block_bytes=100_000) == ["done"] * FILES


def test_shares_are_disjoint_complete_and_known_to_a_run_over_all(folder: Path) -> None:
    files, place = inputs(folder), folder / "set"
    assert sorted(f for n in (1, 2, 3) for f in ListShare(n, 3).of(files)) == files
    first, second = (many(files, place, part=(number, 2)) for number in (1, 2))
    assert first.name != second.name
    assert [part.file for part in read_manifest(first).parts] == ["run0.bal", "run2.bal"]
    assert states(files, place) == ["skipped"] * FILES
    assert len(read_manifest(place / "files.balset").parts) == FILES


def test_runs_over_other_files_add_to_the_manifest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, place = inputs(folder), folder / "set"
    many(files[2:], place)
    manifest = many(files[:2], place)
    assert [part.file for part in read_manifest(manifest).parts] == [f"run{n}.bal" for n in range(FILES)]
    with baler_core.open_set(manifest) as found:
        assert found["x"].shape == (sum(300 + n for n in range(FILES)),)
    assert states(files, place) == ["skipped"] * FILES
    (place / "run3.bal").unlink()
    (folder / "run0.npz").write_bytes(b"junk")
    with pytest.raises(DataError, match="1 of 1 files failed"):
        many(files[:1], place)
    found_now = read_manifest(manifest)
    assert ([part.file for part in found_now.parts], found_now.files) == (["run1.bal", "run2.bal"], 3)
    with ThreadPoolExecutor(3) as pool:  # at the same time
        list(pool.map(lambda n: many([files[n]], folder / "together"), range(1, FILES)))
    assert [part.file for part in read_manifest(folder / "together" / "files.balset").parts] == [
        f"run{n}.bal" for n in range(1, FILES)
    ]
    text = (folder / "c.yaml").read_text()
    (folder / "c.yaml").write_text(text.replace("run*.npz", "run1.npz"))
    assert run_main("compress", "c.yaml", "--workers", "1") == 0
    (folder / "c.yaml").write_text(text.replace("run*.npz", "run2.npz"))
    capsys.readouterr()
    assert run_main("compress", "c.yaml", "--workers", "1") == 0
    assert "1 written, 0 finished before, 0 failed, 1 of other runs" in capsys.readouterr().out


def test_files_of_one_name_in_several_folders_are_named_by_these(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those of a partitioned table are; a file whose name is its own keeps that."""
    parts = [folder / "t" / f"year={year}" / "a" / "part-0.npz" for year in (2020, 2021)]
    for year, path in enumerate(parts):
        path.parent.mkdir(parents=True)
        np.savez(path, **arrays(year))  # type: ignore[arg-type]
    np.savez(folder / "t" / "year=2020" / "other.npz", **arrays(5))  # type: ignore[arg-type]
    names = ["other", "year=2020_a_part-0", "year=2021_a_part-0"]
    manifest = many(sorted((folder / "t").rglob("*.npz")), folder / "many")
    assert sorted(path.stem for path in manifest.parent.glob("*.bal")) == names
    for year in (0, 1):
        restored = baler_core.open(folder / "many" / f"year={2020 + year}_a_part-0.bal", as_="numpy")
        assert np.array_equal(restored["k"], arrays(year)["k"])
    assert len(baler_core.open_file(manifest)["k"]) == sum(len(arrays(n)["k"]) for n in (0, 1, 5))
    (folder / "t.yaml").write_text('input: ["t/**/*.npz"]\nbounds: {x: {rel: 1.0e-3}}\nmodel: scalar\noutput: out\n')
    assert run_main("compress", "t.yaml") == 0
    assert sorted(path.stem for path in (folder / "out").glob("*.bal")) == names
    said = capsys.readouterr().out
    assert all(f"{name}.bal" in said for name in names)
    assert contents(folder / "out") == contents(folder / "many")
    assert run_main("run", "t.yaml", "--force") == 0
    assert (folder / "out" / "year=2021_a_part-0.restored.npz").exists()
    assert (folder / "out" / "year=2021_a_part-0" / "report.json").exists()


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/4"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no share"):
        ListShare.parse(text)


# ---- failures


def test_a_damaged_file_stops_the_run_or_is_told_at_its_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "run1.npz").write_bytes(b"junk")
    assert run_main("compress", "c.yaml", "--workers", "1") == 1
    assert set(contents(folder / "out")) == {"run0.bal"}
    assert "run again to go on" in capsys.readouterr().err
    assert run_main("compress", "c.yaml", "--keep-going", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [(f["state"], f["exit_code"]) for f in found["files"]] == [
        ("skipped", 0),
        ("failed", 1),
        ("done", 0),
        ("done", 0),
    ]
    assert "run1.npz" in found["files"][1]["problem"]
    assert set(contents(folder / "out")) == {"run0.bal", "run2.bal", "run3.bal"}
    assert [failure.exit_code for failure in read_manifest(folder / "out" / "c.balset").failed] == [1]


def die(place: str, times: int) -> dict[str, Any]:
    """End the process that unpickles this, as the system does when memory is short; a few times."""
    with open(place, "a+b") as file:
        file.seek(0)
        if len(file.read()) < times:
            file.write(b"x")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return {"bounds": BOUNDS, "model": "scalar"}


class Deadly(dict[str, Any]):
    """Settings that kill the worker that gets them."""

    def __reduce__(self) -> Any:
        return die, (self["place"], self["times"])


def outcomes(tasks: list[FileTask], executor: Submits) -> dict[str, FileOutcome]:
    return {outcome.source.name: outcome for outcome in TaskSchedule(tasks, executor, 3).outcomes()}


def test_a_file_whose_worker_was_killed_is_tried_once_more_and_others_are_not_to_blame(folder: Path) -> None:
    plain = {"bounds": BOUNDS, "model": "scalar"}
    tasks = [FileTask(path, folder / f"{path.stem}.bal", plain, "0" * 64) for path in inputs(folder)[:3]]
    tasks[0] = replace(tasks[0], stated=Deadly(place=str(folder / "once"), times=1))
    tasks[2] = replace(tasks[2], stated=Deadly(place=str(folder / "always"), times=9))
    with Processes(2) as pool:
        found = outcomes(tasks, pool)
    assert {name: outcome.state for name, outcome in found.items()} == {
        "run0.npz": "done",
        "run1.npz": "done",
        "run2.npz": "failed",
    }
    assert "twice" in found["run2.npz"].problem
    assert set(contents(folder)) == {"run0.bal", "run1.bal"}


def test_a_file_that_is_lost_once_by_others_and_once_by_itself_is_tried_again(folder: Path) -> None:
    """Whichever of two workers dies first takes down the other: that counts for neither file."""

    class Shared(Here):
        lost: ClassVar[list[str]] = []

        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
            name = arguments[0].source.name
            kills = {"run0.npz": 2, "run1.npz": 3}.get(name, 0)
            if self.lost.count(name) < kills:
                self.lost.append(name)
                return super().submit(_killed)
            return super().submit(function, *arguments)

    tasks = [FileTask(path, folder / f"{path.stem}.bal", {"model": "scalar"}, "0" * 64) for path in inputs(folder)[:2]]
    found = outcomes(tasks, Shared())
    assert found["run0.npz"].state == "done"  # lost beside run1, and once alone
    assert "twice" in found["run1.npz"].problem  # and this one twice alone
    assert Shared.lost.count("run1.npz") == 3


def test_an_executor_that_takes_nothing_more_is_named(folder: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(BalerError, match="run again"):
        many(inputs(folder), folder / "set", executor=executor)


class KilledWorker(Exception):
    """As dask's."""

    __module__ = "distributed.scheduler"


def test_a_file_that_kills_the_workers_of_others_is_no_bug(folder: Path) -> None:
    class Killing(Here):
        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
            future = super().submit(function, *arguments)
            return future if "run1" not in str(arguments[0].source) else super().submit(_killed)

    tasks = [FileTask(path, folder / f"{path.stem}.bal", {"model": "scalar"}, "0" * 64) for path in inputs(folder)[:2]]
    found = outcomes(tasks, Killing())
    assert found["run0.npz"].state == "done"
    assert found["run1.npz"].exit_code == 1
    assert "was killed, ran out of memory or crashed, twice: a smaller 'block_size'" in found["run1.npz"].problem


def _killed() -> None:
    raise KilledWorker("a long explanation")


def test_a_manifest_names_addresses_and_workers_restore_from_them(folder: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/many/run0.npz", inputs(folder)[0].read_bytes())
    manifest = many(["memory://many/run0.npz"], folder / "set", block_bytes=2000)  # type: ignore[list-item]
    assert [part.input for part in read_manifest(manifest).parts] == ["memory://many/run0.npz"]
    bal = manifest.with_name("run0.bal")
    fsspec.filesystem("memory").pipe("/many/run0.bal", bal.read_bytes())
    with ThreadPoolExecutor(2) as threads:
        baler_core.decompress("memory://many/run0.bal", folder / "a.npz", executor=threads)
    baler_core.decompress(bal, folder / "b.npz")
    with np.load(folder / "a.npz") as found, np.load(folder / "b.npz") as wanted:
        assert all(found[name].tobytes() == wanted[name].tobytes() for name in wanted)


def test_a_set_at_an_address_is_opened_as_one(folder: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    manifest = many(inputs(folder)[:2], folder / "set", block_bytes=2000)
    memory = fsspec.filesystem("memory")
    for path in manifest.parent.iterdir():
        memory.pipe(f"/set/{path.name}", path.read_bytes())
    address = f"memory://set/{manifest.name}"
    with open_set(manifest) as wanted, open_set(address) as found:
        assert found.path == address
        assert found.sizes == wanted.sizes
        for name in wanted:
            np.testing.assert_array_equal(found[name][:], wanted[name][:])
    assert isinstance(baler_core.open_file(address), FileSet)
    memory.pipe("/set/run1.bal", (manifest.parent / "run0.bal").read_bytes())
    with (
        open_set(address) as found,
        pytest.raises(FormatError, match=f"run1.bal: is not the file that {manifest.name}"),
    ):
        found.part(1)
    with pytest.raises(OSError, match="there is nothing at this address"):
        open_set("memory://set/none.balset")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("https://h/a/run.balset?key=1", "https://h/a/x%20y.bal?key=1"),
        ("s3://bucket/a/run.balset", "s3://bucket/a/x y.bal"),
        ("simplecache::https://h/run.balset", "simplecache::https://h/x%20y.bal"),
        ("zip://run.balset::https://h/all.zip", "zip://x y.bal::https://h/all.zip"),
        ("zip://in/run.balset::file:///all.zip", "zip://in/x y.bal::file:///all.zip"),
        (Path("a/run.balset"), Path("a/x y.bal")),
    ],
)
def test_files_of_a_set_lie_beside_its_manifest(place: str | Path, expected: str | Path) -> None:
    assert beside(place, "x y.bal") == expected
    assert name_of(place) == "run.balset"


def test_another_version_of_the_package_is_refused(folder: Path) -> None:
    task = FileTask(inputs(folder)[0], folder / "a.bal", {}, "0" * 64, version="9.9")
    found = outcomes([task], Here())["run0.npz"]
    assert (found.state, "9.9" in found.problem) == ("failed", True)


def test_after_a_kill_there_are_whole_files_no_workers_and_the_rest_is_done_next_time(folder: Path) -> None:
    for seed in range(FILES - 2, FILES):
        np.savez(folder / f"run{seed}.npz", **arrays(seed, 8_000))  # type: ignore[arg-type]
    command = [sys.executable, "-m", "baler_core", "compress", "c.yaml", "--workers", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as started:
        assert started.stdout is not None
        assert b"wrote" in started.stdout.readline()
        started.kill()
    begun = time.monotonic()
    while _group_lives(started.pid) and time.monotonic() < begun + 30:
        time.sleep(0.05)
    assert not _group_lives(started.pid)
    whole = contents(folder / "out")
    assert whole
    for name in whole:
        assert len(baler_core.open_file(folder / "out" / name)["x"][:]) in (300, 301, 8_000)
    for left in (folder / "out").glob(".partial-*"):
        os.utime(left, (0, 0))  # one that was killed before it had locked its folder is known for dead after a while
    assert run_main("compress", "c.yaml", "--workers", "1") == 0
    assert len(contents(folder / "out")) == FILES
    assert {name: contents(folder / "out")[name] for name in whole} == whole
    assert not list((folder / "out").glob(".partial-*"))


def _group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


# ---- the set


def test_a_set_is_one_array_over_all_files(folder: Path) -> None:
    place = many(inputs(folder), folder / "set")
    parts = [np.asarray(baler_core.open_file(path)["x"]) for path in sorted((folder / "set").glob("*.bal"))]
    wanted = np.concatenate(parts)
    with pytest.raises(BalerError, match="one is wanted here"):
        baler_core.open(place)
    with baler_core.open_file(place, cache="1 MB") as found:
        array = found["x"]
        assert isinstance(array, baler_core.JoinedArray)
        assert array.shape == wanted.shape == (sum(300 + seed for seed in range(FILES)),)
        for key in (slice(None), slice(290, 910), slice(None, None, -7), -1, [1000, 3, 300], slice(5, 5), 300):
            np.testing.assert_array_equal(array[key], wanted[key])
        np.testing.assert_array_equal(np.asarray(array), wanted)
        np.testing.assert_array_equal(found.rows(299, 602)["x"], wanted[299:602])
        with pytest.raises(IndexError):
            array[len(wanted)]
        with pytest.raises(KeyError, match="'x'"):
            found["xx"]


def test_what_is_not_joined_must_be_the_same_in_all_files(tmp_path: Path) -> None:
    fields = [np.random.default_rng(n).normal(size=(4 + n, 6)).astype("f4") for n in range(2)]
    for n, field in enumerate(fields):
        np.savez(tmp_path / f"f{n}.npz", u=field, unit=np.float64(7), number=np.float64(n))
    place = baler_core.compress_many([tmp_path / "f0.npz", tmp_path / "f1.npz"], tmp_path / "set")
    with baler_core.open_set(place) as found:
        np.testing.assert_array_equal(found["u"][3:6, 1:3], np.concatenate(fields)[3:6, 1:3])
        assert found["unit"][()] == 7
        with pytest.raises(DataError, match="differs between"):
            found["number"][()]


def test_a_set_of_tables_is_one_table(tmp_path: Path) -> None:
    """Whose categories are those of all files; codes of other categories are not joined."""
    frames = [
        pd.DataFrame({"x": np.arange(5.0) + n, "kind": pd.Categorical([f"{'ab'[n]}{k % 2}" for k in range(5)])})
        for n in range(2)
    ]
    for n, frame in enumerate(frames):
        frame.to_parquet(tmp_path / f"f{n}.parquet")
    paths = [tmp_path / "f0.parquet", tmp_path / "f1.parquet"]
    place = baler_core.compress_many(paths, tmp_path / "set", bounds="lossless")
    wanted = pd.concat([frame.astype({"kind": str}) for frame in frames], ignore_index=True)
    with baler_core.open_file(place) as found:
        table = found.to_pandas()
        assert table["kind"].cat.categories.tolist() == ["a0", "a1", "b0", "b1"]
        pd.testing.assert_frame_equal(table.astype({"kind": str}), wanted)
        some = found.to_arrow(["kind", "x"], start=3, stop=-2)
        assert some.to_pydict() == wanted[["kind", "x"]].iloc[3:8].to_dict("list")
        assert found.to_polars("x", start=20).height == 0
        np.testing.assert_array_equal(found.rows(4, 6, names="x")["x"], [4.0, 1.0])
        with pytest.raises(DataError, match="the categories of 'kind' differ"):
            found["kind"][:]
        assert found["kind"][5:].tolist() == [0, 1, 0, 1, 0]


def test_files_of_other_kinds_are_no_set(folder: Path) -> None:
    np.savez(folder / "run9.npz", x=np.arange(5.0), other=np.arange(5.0))
    place = many(inputs(folder), folder / "set")
    with pytest.raises(DataError, match="different variables"):
        baler_core.open_set(place)


def test_info_lists_a_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = many(inputs(folder), folder / "set")
    assert run_main("info", str(place)) == 0
    told = capsys.readouterr().out
    assert all(f"run{n}.bal" in told for n in range(FILES))
    assert run_main("info", str(place), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [part["rows"] for part in found["parts"]] == [{"dim0": 300 + n} for n in range(FILES)]


def open_all(place: Path) -> None:
    with baler_core.open_set(place) as found:
        for part in range(2):
            found.part(part)


def _swapped(record: dict[str, Any]) -> None:
    one, two = record["parts"][:2]
    one["file"], two["file"] = two["file"], one["file"]


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["parts"][0].__setitem__(key, value)


@pytest.mark.parametrize(
    "forge",
    [
        _set("file", "../secret.bal"),
        _set("file", "/etc/passwd"),
        _set("file", ".."),
        _set("file", "a\0b"),
        _set("file", "run1.bal"),
        _set("file", 7),
        _set("rows", {"dim0": 10**15}),
        _set("rows", {"dim0": -1}),
        _set("rows", {}),
        _set("rows", {"dim0": 300, "other": 1}),
        _set("file_bytes", 1),
        _set("sha256", "Z" * 64),
        _set("fields", "0" * 64),
        _swapped,
        lambda record: record.__setitem__("parts", {}),
        lambda record: record.__setitem__("version", 2),
        lambda record: record.__setitem__("parts", []),
    ],
)
def test_a_forged_manifest_is_refused(folder: Path, forge: Callable[[dict[str, Any]], None]) -> None:
    place = many(inputs(folder)[:2], folder / "set")
    record = json.loads(place.read_text())
    forge(record)
    place.write_text(json.dumps(record))
    with pytest.raises(BalerError):
        open_all(place)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "nonsense", '{"format": "balset"}', "\xff", "1e999"])
def test_what_is_no_manifest_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    place = tmp_path / "a.balset"
    place.write_text(text, encoding="latin-1")
    with pytest.raises(BalerError, match=r"a\.balset"):
        baler_core.open_set(place)
    np.savez(tmp_path / "run.npz", **arrays(0))  # type: ignore[arg-type]
    with pytest.raises(BalerError, match=r"a\.balset"):
        baler_core.compress_many(tmp_path / "run.npz", tmp_path, name="a")


def test_a_part_that_is_gone_is_named(folder: Path) -> None:
    place = many(inputs(folder)[:1], folder / "set")
    (folder / "set" / "run0.bal").unlink()
    with pytest.raises(BalerError, match=r"run0\.bal"):
        baler_core.open_set(place)
