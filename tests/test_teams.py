"""Blocks of one file coded by workers: the bytes of a serial run, whoever dies, disagrees or runs out of room on the way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import BalerError, DataError, SourceError
from baler_core.cli import main
from baler_core.format.container import BalWriter
from baler_core.format.file_info import read_info
from baler_core.machine import executors, workers
from baler_core.machine.executors import Submits
from baler_core.machine.handles import Handles
from baler_core.machine.in_order import Call, InOrder
from baler_core.machine.workers import Here, Processes, width_of
from baler_core.pipeline import block_team
from baler_core.pipeline.block_coding import code_block
from baler_core.pipeline.block_team import InputOpener, OpenInput

ROWS = 2400
RNG = np.random.default_rng(8)
TABLE = {"x": RNG.normal(size=ROWS).astype("f4"), "y": RNG.normal(size=ROWS), "k": RNG.integers(0, 9, ROWS)}
FIELD = {"u": RNG.normal(size=(60, 8, 9)).cumsum(0).astype("f4"), "lat": np.arange(8.0)}
SETTINGS: dict[str, Any] = {"bounds": {"x": {"rel": 1e-3}}, "model": "scalar", "block_bytes": 8_000}


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


def die(place: str) -> None:
    """End the process that unpickles this, once, as the system does when memory is short."""
    if not os.path.exists(place):
        Path(place).touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """What kills the worker that gets it."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> Any:
        return die, (self.place,)


class DeadlyPool:
    """Sends one deadly argument beside the others."""

    def __init__(self, pool: Processes, place: Path) -> None:
        self.pool, self.place, self.calls, self.count = pool, place, 0, 2

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        self.calls += 1
        return self.pool.submit(call_first, function, arguments, Deadly(self.place) if self.calls == 3 else None)


def call_first(function: Callable[..., Any], arguments: tuple[Any, ...], _: object) -> Any:
    return function(*arguments)


# ---- the same bytes


def test_processes_and_threads_write_the_bytes_of_a_loop_and_restore_them(table: Path, pool: Processes) -> None:
    serial = made(table)
    assert len(read_info(Path("made.bal")).header.blocks) > 5
    assert made(table, DeadlyPool(pool, Path("killed"))) == serial  # though a process was killed in the middle
    assert Path("killed").exists()
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
        ("table", {"order": "free"}),
        ("more", {"model": "table"}),
        ("object", {}),
        ("csv", {}),
    ],
)
def test_every_kind_of_work_gives_the_same_bytes(table: Path, data: str, more: dict[str, Any]) -> None:
    given: Any = table
    if data == "fields":
        given = table.with_name("f.npz")
        np.savez(given, **FIELD)  # type: ignore[arg-type]
    elif data == "more":  # than a trained model knows
        baler_core.train(table, "t.balm", **{**SETTINGS, **more})
        more = {**more, "trained": "t.balm"}
        np.savez(table, **TABLE, z=TABLE["x"] * 2)  # type: ignore[arg-type]
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
            result = called(*given)
            assert result is not None  # a block whose groups no worker knows would be coded by the client
            return pickle.loads(pickle.dumps(result))  # noqa: S301

        return self.executor.submit(run)


def test_the_command_line_spreads_one_file(
    table: Path, pool: Processes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = []

    class Counted(Processes):
        """A class, as those who wait long ask for one."""

        def __new__(cls, count: int, **_: bool) -> Any:
            counts.append(count)
            return nullcontext(pool)

    monkeypatch.setattr(workers, "Processes", Counted)
    Path("c.yaml").write_text("input: a.npz\nbounds: {x: {rel: 1.0e-3}}\nmodel: scalar\nblock_size: 8000\n")
    for name, options in (("one.bal", []), ("two.bal", ["--workers", "2"])):
        with pytest.raises(SystemExit, match="0"):
            main(["compress", "c.yaml", "-o", name, *options])
    assert Path("one.bal").read_bytes() == Path("two.bal").read_bytes()
    with pytest.raises(SystemExit, match="0"):
        main(["decompress", "two.bal", "-o", "two.npz", "--workers", "3"])
    assert counts == [2, 3]
    with pytest.raises(SystemExit, match="1"):
        main(["compress", "c.yaml", "-o", "x.bal", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"])
    assert "exclude each other" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main(["decompress", "one.bal", "-o", "x.npz", "--scheduler", "here"])
    assert not Path("x.npz").exists()
    assert not Path("x.bal").exists()


COPIES = """
import logging, os
from concurrent.futures import BrokenExecutor
from baler_core.machine.workers import Processes

logging.basicConfig()
logging.addLevelName(5, "SEEN")
with Processes(2, copies=True) as pool:
    assert pool.submit(logging.getLevelName, 5).result() == "SEEN"  # what this process knew
    assert not pool.submit(logging.getLogger().hasHandlers).result()  # nothing is told twice
    try:
        pool.submit(os._exit, 1).result()
    except BrokenExecutor:
        pass
    assert pool.submit(logging.getLevelName, 5).result() == "Level 5"  # a new one, since threads run by now
"""


def test_workers_of_a_command_are_copies_of_it_and_new_processes_replace_them() -> None:
    done = subprocess.run([sys.executable, "-c", COPIES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LOST = """
import gc, os, signal, struct, time
from concurrent.futures import BrokenExecutor
from multiprocessing.queues import SimpleQueue
from baler_core.machine import executors, workers
from baler_core.machine.workers import Processes, wait_for_one

workers._SECONDS_TO_NOTICE = 0.5

def half_sent():
    for queue in [one for one in gc.get_objects() if isinstance(one, SimpleQueue)]:
        os.write(queue._writer.fileno(), struct.pack("!i", 1000) + b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)

with Processes(2, copies=True) as pool:
    busy = pool.submit(time.sleep, 600)
    os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
    assert isinstance(busy.exception(), BrokenExecutor)
    assert pool.submit(abs, -1).result() == 1  # though the other was in the midst of a call
with Processes(2, copies=True) as pool:
    lost = pool.submit(half_sent)
    assert wait_for_one([lost], pool) == {lost}
    assert isinstance(lost.exception(), BrokenExecutor)
    assert pool.submit(abs, -1).result() == 1
"""


def test_a_killed_worker_makes_nobody_wait_for_what_it_or_others_were_doing() -> None:
    command = [sys.executable, "-c", LOST]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")


# ---- failures


class SomeoneElsesLoss(Exception):
    """As dask's KilledWorker."""

    __module__ = "distributed.scheduler"


@pytest.mark.parametrize("error", [BrokenProcessPool, MemoryError, SomeoneElsesLoss])
def test_a_lost_block_is_coded_again(table: Path, error: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    executor = ThirdLost(error)
    assert made(table, executor) == made(table)
    assert "block 4 is run again" in caplog.text
    assert executor.times == 0


@pytest.mark.parametrize(("error", "said"), [(MemoryError, "not enough memory"), (BrokenProcessPool, "was killed")])
def test_what_is_lost_again_and_again_is_told_and_leaves_no_file(
    table: Path, error: type[Exception], said: str
) -> None:
    with pytest.raises(SourceError, match=f"block 4 failed twice.*{said}.*block_size"):
        made(table, ThirdLost(error, times=99))
    assert sorted(path.name for path in table.parent.iterdir()) == ["a.npz"]


def test_fewer_calls_run_at_once_after_a_loss_and_more_later(caplog: pytest.LogCaptureFixture) -> None:
    class Counting(ThirdLost):
        window = InOrder(Here(), 1)
        most: list[int] = []  # noqa: RUF012

        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
            self.most.append(len(self.window._window))
            return super().submit(function, *arguments)

    executor = Counting(MemoryError)
    executor.window = InOrder(executor, 8)
    calls = (Call(f"call {n}", pow, (n, 2)) for n in range(60))
    assert [call.result for call in executor.window.taken(calls)] == [n * n for n in range(60)]
    assert "4 at once" in caplog.text
    assert max(executor.most[:10]) == 8
    assert max(executor.most[12:20]) == 4
    assert max(executor.most[-8:]) == 8


def test_an_executor_that_takes_no_more_leaves_the_rest_to_this_process(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    assert made(table, executor) == made(table)
    assert "this process does the rest" in caplog.text


class Deserted(Here):
    """An executor of dask whose scheduler goes: calls are taken, and cancelled or never ended."""

    def __init__(self, *, cancels: bool) -> None:
        self.cancels, self.calls, self.count, self.status = cancels, 0, 2, "running"

    @property
    def _client(self) -> Deserted:
        return self

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        self.calls += 1
        if self.calls < 3:
            return super().submit(function, *arguments)
        self.status = "closed"
        future: Future[Any] = Future()
        if self.cancels:
            future.cancel()
            future.set_running_or_notify_cancel()
        return future


@pytest.mark.parametrize("cancels", [False, True])
def test_a_scheduler_that_is_gone_is_not_waited_for(
    table: Path, cancels: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "_SECONDS_BETWEEN_LOOKS", 0.01)
    assert made(table, Deserted(cancels=cancels)) == made(table)
    assert "its scheduler is gone): this process does the rest" in caplog.text
    serial = Path("serial.npz"), Path("team.npz")
    for output, executor in zip(serial, (None, Deserted(cancels=cancels)), strict=True):
        baler_core.decompress("made.bal", output, executor=executor)
    with np.load(serial[0]) as wanted, np.load(serial[1]) as found:
        assert all(found[name].tobytes() == wanted[name].tobytes() for name in wanted)
    files = [table.with_name(f"{n}.npz") for n in range(4)]
    for file in files:
        np.savez(file, x=TABLE["x"][:50])
    with pytest.raises(SourceError, match=r"its scheduler is gone.*run again to go on"):
        baler_core.compress_many(files, "many", executor=Deserted(cancels=cancels), model="scalar")
    assert sorted(path.name for path in Path("many").glob("*.bal")) == ["0.bal", "1.bal"]
    baler_core.compress_many(files, "many", model="scalar")


def test_a_scheduler_whose_workers_are_all_gone_is_told_of_and_given_up_in_the_end(
    table: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Empty(Deserted):
        def nthreads(self) -> dict[str, int]:
            return {}

    monkeypatch.setattr(workers, "_SECONDS_BETWEEN_LOOKS", 0.01)
    for name, seconds in (("TO_TELL", 0.02), ("WITHOUT_WORKERS", 0.1)):
        monkeypatch.setattr(executors, f"_SECONDS_{name}", seconds)
    with pytest.raises(BrokenExecutor, match="no workers for 0 minutes"):
        workers.wait_for_one([Future[None]()], Empty(cancels=False))
    assert caplog.text.count("has no workers left: waiting") == 1
    left = Empty(cancels=False)
    left.calls, left.submit = 0, lambda *_: Future()  # type: ignore[method-assign, assignment]
    assert made(table, left) == made(table)
    assert caplog.text.count("has no workers left: this process works until there are new ones") == 1


def test_a_fault_in_a_block_is_raised_as_it_is(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise DataError("the worker cannot read this")

    monkeypatch.setattr(block_team, "code_known", fails)
    with pytest.raises(DataError, match="cannot read this"), ThreadPoolExecutor(2) as threads:
        made(table, threads)
    assert not Path("made.bal").exists()


def test_a_worker_that_sees_another_package_or_another_input_is_refused(table: Path) -> None:
    with pytest.raises(BalerError, match=r"a worker has baler-core .*, and the run was started with baler-core 9\.9"):
        InputOpener(None, {"baler-core": "9.9"})()
    with pytest.raises(BalerError, match="a worker has no baler-novel, and the run was started with baler-novel 1"):
        InputOpener(None, {"baler-novel": "1"})()

    class Touching(Here):
        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
            os.utime(table, ns=(1, 1))
            return super().submit(function, *arguments)

    with pytest.raises(DataError, match=r"a\.npz: a worker .* sees .* it was changed"):
        made(table, Touching())
    assert not Path("made.bal").exists()


def test_an_input_that_changes_meanwhile_is_noticed_by_serial_runs_too(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(*arguments: Any) -> Any:
        os.utime(table, ns=(1, 1))
        return code_block(*arguments)

    monkeypatch.setattr(block_team, "code_block", changing)
    with pytest.raises(DataError, match="was changed while it was compressed"):
        made(table)
    assert not Path("made.bal").exists()


def test_a_bal_file_that_is_another_for_a_worker_is_refused(table: Path) -> None:
    made(table)
    before = Path("made.bal").read_bytes()
    made(TABLE, bounds=None)

    class Replacing(Here):
        def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
            Path("new.bal").write_bytes(before)
            os.replace("new.bal", "made.bal")
            return super().submit(function, *arguments)

    with pytest.raises(SourceError, match="another file of this name"):
        baler_core.decompress("made.bal", "out.npz", executor=Replacing())
    assert not Path("out.npz").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BalWriter, "add", full)
    Path("c.yaml").write_text("input: a.npz\nmodel: scalar\nblock_size: 8000\n")
    with pytest.raises(SystemExit, match="1"):
        main(["compress", "c.yaml", "-o", "x.bal"])
    told = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line and "no bounds" not in line]
    assert len(told) == 1
    assert "the disk is full" in told[0]
    assert sorted(path.name for path in table.parent.iterdir()) == ["a.npz", "c.yaml"]


def test_files_open_for_threads_are_closed_and_shared_by_tasks_of_a_process() -> None:
    opened: list[OpenInput] = []
    closed: list[int] = []

    class Open(OpenInput):
        def close(self) -> None:
            closed.append(1)

    def opener() -> Any:
        opened.append(Open(None, None))  # type: ignore[arg-type]
        return opened[-1]

    handles = Handles(opener)
    with handles.lent() as one, handles.lent() as two:
        assert one is not two
    with handles.lent() as again:
        assert again in (one, two)
    handles.close()
    assert (len(opened), len(closed)) == (2, 2)
    remake, arguments = handles.__reduce__()
    assert remake(*arguments) is handles


def test_a_file_of_many_blocks(table: Path) -> None:
    values = np.arange(8000.0)
    with ThreadPoolExecutor(4) as threads:
        many = made({"v": values}, threads, bounds=None, block_bytes=1000)
    assert len(read_info(Path("made.bal")).header.blocks) == 64_000 // 1000
    assert many == made({"v": values}, bounds=None, block_bytes=1000)


def test_dask_workers_encode_blocks(table: Path) -> None:
    distributed = pytest.importorskip("distributed")
    serial = made(table)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        assert width_of(executor) == 2
        assert made(table, executor) == serial
        files = [table, Path("b.npz")]
        np.savez(files[1], x=TABLE["x"])
        baler_core.compress_many(files, "many", executor=executor, bounds={"x": {"rel": 1e-3}}, model="scalar")
        baler_core.compress(files[1], "b.bal", bounds={"x": {"rel": 1e-3}}, model="scalar")
        assert Path("many/b.bal").read_bytes() == Path("b.bal").read_bytes()
        Path("c.yaml").write_text("input: a.npz\nbounds: {x: {rel: 1.0e-3}}\nmodel: scalar\nblock_size: 8000\n")
        with pytest.raises(SystemExit, match="0"):
            main(["compress", "c.yaml", "-o", "dask.bal", "--scheduler", cluster.scheduler_address])
        with pytest.raises(SystemExit, match="0"):
            main(["compress", "c.yaml", "-o", "here.bal"])
        assert Path("dask.bal").read_bytes() == Path("here.bal").read_bytes()

        async def lost(*_: Any, **__: Any) -> None:
            raise OSError("the worker was killed meanwhile")

        assert executors.begun(executor, sum, [1, 2]).result(60) == 3
        client._gather = lost  # fetches results
        with pytest.raises(OSError, match="killed meanwhile"):
            executors.begun(executor, sum, [1, 2]).result(60)


def test_memory_makes_blocks_smaller_for_one_file_and_for_many(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(table, x=np.arange(1_000_000.0))
    Path("c.yaml").write_text("input: a.npz\nmodel: scalar\noutput: out\n")
    for options in (["-o", "x.bal"], ["--keep-going"]):
        with pytest.raises(SystemExit, match="0"):
            main(["compress", "c.yaml", "--memory", "350 MB", *options])
        place = Path("x.bal" if "-o" in options else "out/a.bal")
        assert len(read_info(place).header.blocks) == 4
    Path("m.yaml").write_text("input: a.npz\nmodel: scalar\nmemory: 350 MB\n")  # as the configuration states it
    with pytest.raises(SystemExit, match="0"):
        main(["compress", "m.yaml", "-o", "m.bal"])
    assert Path("m.bal").read_bytes() == Path("x.bal").read_bytes()
    Path("m.yaml").write_text("input: a.npz\nmemory: 100 MB\n")
    for command in (["c.yaml", "--memory", "100 MB"], ["m.yaml"]):
        with pytest.raises(SystemExit, match="1"):
            main(["compress", *command, "-o", "y.bal"])
        assert "100 MB of memory are too few" in capsys.readouterr().err
