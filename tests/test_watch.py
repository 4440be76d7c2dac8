"""Files that appear in a folder: complete ones alone, by the trained model, with drift noticed and learned from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main, watching
from baler_core.pipeline.many.arrivals import Arrivals
from baler_core.pipeline.many.drift import DataProfile, drift_between, ks_distance
from baler_core.pipeline.many.manifest import read_manifest

ROWS = 4000


def write(path: Path, seed: int, *, moved: bool = False) -> None:
    """A table whose columns follow from each other, in another way once they have moved."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=ROWS)
    b = (rng.normal(5, 1, ROWS) if moved else 3 * a).astype("f4")
    c = (a * a + 40 if moved else rng.normal(size=ROWS)).astype("f4")
    np.savez(path, a=a.astype("f4"), b=b, c=c)


def watch(monkeypatch: pytest.MonkeyPatch, looks: int, *options: str) -> int:
    """Run the command until it has looked so often; then Ctrl-C comes."""
    left = [looks]

    def sleep(_: float) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", sleep)
    with pytest.raises(SystemExit) as caught:
        main(["compress", "c.yaml", "--watch", "incoming", *options])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_what_appears_is_compressed_drift_is_told_and_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watching, "_SECONDS_TO_SETTLE", 0.0)
    write(tmp_path / "first.npz", 0)
    place = tmp_path / "incoming"
    place.mkdir()
    (place / "notes.txt").write_text("no data")
    (place / "broken.npz").write_bytes(b"junk")
    for seed, moved in ((1, False), (2, True), (3, True)):
        write(place / f"run{seed}.npz", seed, moved=moved)
        os.utime(place / f"run{seed}.npz", (seed, seed))
    Path("c.yaml").write_text(
        "input: first.npz\nbounds: {'*': {abs: 1.0e-3}}\nmodel: {name: table, effort: fast}\noutput: out\n"
    )
    assert watch(monkeypatch, 2) == 130
    told = capsys.readouterr()
    assert "4 files" not in told.out
    assert "3 files from incoming, 1 failed" in told.out
    assert "wrote run1.bal" in told.out
    assert "run1.npz differs" not in told.err
    assert "run2.npz differs from the training data" in told.err
    assert "Kolmogorov-Smirnov" in told.err
    assert "learned anew from run2.npz: c.002.balm is used from now on" in told.err
    assert "run3.npz differs" not in told.err
    assert "FAILED" in told.err
    assert [part.file for part in read_manifest(Path("out/c.balset")).parts] == [
        "first.bal",
        "run1.bal",
        "run2.bal",
        "run3.bal",
    ]
    lines = [json.loads(line) for line in Path("out/c.watch.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["model", "file", "file", "model", "file", "failed"]
    assert [line["model"] for line in lines if line["event"] == "file"] == ["first.balm", "first.balm", "c.002.balm"]
    assert lines[2]["distances"]["b"] > 0.5 > 0.1 > lines[1]["distances"]["b"]
    with np.load(place / "run3.npz") as original:
        restored = baler_core.open_file("out/run3.bal")["c"][:]
        assert np.abs(restored - original["c"]).max() <= 1e-3
    # Started again, it goes on with the newer model, and compresses nothing twice.
    assert watch(monkeypatch, 2) == 130
    told = capsys.readouterr()
    assert "with the model out/c.002.balm" in told.err
    assert told.out.count("finished before") == 1
    assert "wrote run3" not in told.out


def test_only_complete_files_are_taken(tmp_path: Path) -> None:
    now = [0.0]
    arrivals = Arrivals(tmp_path, lambda path: path.suffix != ".txt", 3.0, lambda: now[0])
    for name in ("a.npz", ".hidden.npz", "b.npz.part", "c.npz~", "note.txt"):
        (tmp_path / name).write_bytes(b"1")
    assert arrivals.complete() == []
    now[0] = 2.0
    (tmp_path / "a.npz").write_bytes(b"12")
    assert arrivals.complete() == []
    now[0] = 4.0
    assert arrivals.complete() == []
    now[0] = 5.0
    assert arrivals.complete() == [tmp_path / "a.npz"]
    arrivals.take(tmp_path / "a.npz")
    now[0] = 20.0
    assert arrivals.complete() == []
    (tmp_path / "a.npz").write_bytes(b"123")
    (tmp_path / "gone.npz").symlink_to(tmp_path / "nowhere")
    assert arrivals.complete() == []
    now[0] = 24.0
    assert arrivals.complete() == [tmp_path / "a.npz"]


def test_distances_and_corrections_are_judged_by_those_in_training() -> None:
    rng = np.random.default_rng(1)
    one, other = np.sort(rng.normal(size=5000)), np.sort(rng.normal(0.5, 1, 5000))
    assert ks_distance(one, one) == 0
    assert ks_distance(np.array([0.0]), np.array([1.0])) == 1
    assert ks_distance(one, other) == pytest.approx(0.197, abs=0.03)
    same = drift_between(DataProfile(8.0, 0.01, {"x": one}), DataProfile(8.1, 0.015, {"x": one[::2]}))
    assert same.said == ()
    moved = drift_between(DataProfile(8.0, 0.01, {"x": one}), DataProfile(9.0, 0.03, {"x": other, "y": one}))
    assert [sentence.split(" ")[0] for sentence in moved.said] == ["1.12", "3", "other"]
    assert set(moved.distances) == {"x"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--watch", "nowhere"], "no such folder"),
        (["--watch", "out"], "is the folder of the output"),
        (["--watch", "in", "--part", "1/2"], "exclude each other"),
        (["--watch", "in", "--json"], "exclude each other"),
    ],
)
def test_folders_that_cannot_be_watched_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    np.savez("first.npz", a=np.arange(300.0))
    Path("c.yaml").write_text("input: first.npz\nmodel: scalar\noutput: out\n")
    with pytest.raises(SystemExit, match="1"):
        main(["compress", "c.yaml", *options])
    told = capsys.readouterr().err
    assert said in told
    assert "training on" not in told
