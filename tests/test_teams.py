"""Blocks of one file coded by workers: the bytes of a serial run, whoever dies, disagrees or runs out of room on the way."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import BalerError, DataError, SourceError
from baler_core.cli import main
from baler_core.data.block import values_of
from baler_core.format.container import BalWriter
from baler_core.format.file_info import read_info
from baler_core.machine.handles import Handles
from baler_core.machine.in_order import Call, InOrder
from baler_core.machine.workers import Here, Processes, Submits, width_of
from baler_core.pipeline import block_team
from baler_core.pipeline.block_coding import code_block
from baler_core.pipeline.block_team import InputOpener, OpenInput

ROWS = 6000
RNG = np.random.default_rng(8)
TABLE = {"x": RNG.normal(size=ROWS).astype("f4"), "y": RNG.normal(size=ROWS), "k": RNG.integers(0, 9, ROWS)}
FIELD = {"u": RNG.normal(size=(60, 8, 9)).cumsum(0).astype("f4"), "lat": np.arange(8.0)}
SETTINGS: dict[str, Any] = {"bounds": {"x": {"rel": 1e-3}}, "model": "scalar", "block_bytes": 20_000}


@pytest.fixture(scope="module")
def pool() -> Iterator[Processes]:
    with Processes(2) as processes:
        yield processes


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", **TABLE)  # type: ignore[arg-type]
    return tmp_path / "a.npz"


def made(data: Any, executor: Submits | None = None, **more: Any) -> bytes:
    """The bytes of the file that an executor makes."""
    baler_core.compress(data, Path("made.bal"), executor=executor, overwrite=True, **{**SETTINGS, **more})
    return Path("made.bal").read_bytes()


class ThirdLost(Here):
    """Loses one call, as a pool does whose worker is killed."""

    def __init__(self, error: type[Exception], times: int = 1) -> None:
        self.error, self.times, self.calls = error, times, 0

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        self.calls += 1
        if self.calls < 3 or self.times == 0:
            return super().submit(function, *arguments)
        self.times -= 1
        future: Future[Any] = Future()
        future.set_exception(self.error("lost"))
        return future


# ---- the same bytes


def test_processes_and_threads_write_the_bytes_of_a_loop_and_restore_them(table: Path, pool: Processes) -> None:
    serial = made(table)
    assert len(read_info(Path("made.bal")).header.blocks) > 5
    with ThreadPoolExecutor(3) as threads:
        assert made(table, threads) == serial
        baler_core.decompress("made.bal", "threads.npz", executor=threads)
    assert made(table, pool) == serial
    baler_core.decompress("made.bal", "processes.npz", executor=pool)
    baler_core.decompress("made.bal", "here.npz")
    for name in ("threads.npz", "processes.npz"):
        with np.load(name) as found, np.load("here.npz") as wanted:
            assert {n: a.tobytes() for n, a in found.items()} == {n: a.tobytes() for n, a in wanted.items()}


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("fields", {"model": "auto", "bounds": {"u": {"abs": 0.01}}, "block_bytes": 6000}),
        ("table", {"model": "table", "bounds": {"x": {"rel": 1e-3}, "y": {"abs": "0.1 * x"}}}),
        ("table", {"bounds": {"x": {"mean_abs": 1e-3}}}),
        ("table", {"preprocess": [{"name": "asinh", "variables": ["x"]}]}),
        ("fields", {"derived": {"d": {"of": "u * u", "rel": 1e-3}}, "bounds": None, "block_bytes": 6000}),
        ("object", {}),
        ("csv", {}),
    ],
)
def test_every_kind_of_work_gives_the_same_bytes(table: Path, data: str, more: dict[str, Any]) -> None:
    given: Any = table
    if data == "fields":
        given = table.with_name("f.npz")
        np.savez(given, **FIELD)  # type: ignore[arg-type]
    elif data == "object":
        given = TABLE
    elif data == "csv":
        given = table.with_name("t.csv")
        given.write_text("x,k\n" + "\n".join(f"{x:.4f},{k}" for x, k in zip(TABLE["x"], TABLE["k"], strict=True)))
    serial = made(given, **more)
    assert len(read_info(Path("made.bal")).header.blocks) > 2
    with ThreadPoolExecutor(2) as threads:
        assert made(given, Pickling(threads), **more) == serial


class Pickling:
    """Has calls travel as they do to another process."""

    def __init__(self, executor: Executor) -> None:
        self.executor, self.count = executor, 2

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        import pickle

        sent = pickle.dumps((function, arguments))

        def run() -> Any:
            called, given = pickle.loads(sent)  # noqa: S301
            return pickle.loads(pickle.dumps(called(*given)))  # noqa: S301

        return self.executor.submit(run)


def test_the_command_line_spreads_one_file(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.yaml").write_text("input: a.npz\nbounds: {x: {rel: 1.0e-3}}\nmodel: scalar\nblock_size: 20000\n")
    for name, options in (("one.bal", []), ("two.bal", ["--workers", "2"])):
        with pytest.raises(SystemExit, match="0"):
            main(["compress", "c.yaml", "-o", name, *options])
    assert Path("one.bal").read_bytes() == Path("two.bal").read_bytes()
    with pytest.raises(SystemExit, match="1"):
        main(["compress", "c.yaml", "-o", "x.bal", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"])
    assert "exclude each other" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(["decompress", "one.bal", "-o", "x.npz", "--scheduler", "here"])
    assert not Path("x.npz").exists()
    assert not Path("x.bal").exists()
