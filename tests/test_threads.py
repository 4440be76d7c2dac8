"""Models may be used by several threads at once: what they expect, write and restore does not depend on each other."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Lock, get_ident
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import Hints, Layout, Tolerance, Variable, make_block, values_of
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.table.model import TableModel
from baler_core.config import ComponentSpec, Config
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.machine import disk, threads
from baler_core.machine.atomic_write import completed
from baler_core.machine.cached import cached_property
from baler_core.machine.memory import limits_of_groups, memory_limit
from baler_core.machine.threads import Threads, ahead, attempted, in_parallel, one_thread, own_cores, workers
from baler_core.pipeline import block_team
from baler_core.pipeline.block_coding import code_known
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.group_coder import start_group
from baler_core.pipeline.input import input_of
from baler_core.pipeline.job import prepare
from baler_core.plugin.interfaces import AutoOptions, Training
from baler_core.plugin.registry import load_plugins
from baler_core.testing import check_threads

AUTOMATIC = [kind.name for kind in load_plugins().automatic_models()]


@pytest.mark.parametrize("name", AUTOMATIC)
def test_automatic_models_give_the_same_bytes_in_threads(name: str) -> None:
    kind = load_plugins().model(name)
    known = "effort" in kind.Options.model_fields
    check_threads(kind(kind.Options(**({"effort": "balanced"} if known else {}))))


def test_networks_give_the_same_bytes_in_threads() -> None:
    check_threads(load_plugins().model("dense_autoencoder")(), training=Training(epochs=1))


def waves(count: int) -> list[tuple[Any, Layout, dict[str, Tolerance]]]:
    """Blocks of one grid: the first mostly smooth, the last mostly noise."""
    t, y, x = np.meshgrid(np.arange(16), np.arange(24), np.arange(32), indexing="ij")
    layout = Layout("grid", (Variable("u", "<f4", ("t", "y", "x")),), {"t": 16, "y": 24, "x": 32})
    found = []
    for number in range(count):
        noise = 0.02 * number * np.random.default_rng(number).normal(size=t.shape)
        values = (np.sin(x / 7 - t / 5 + number) * np.cos(y / 9) + noise).astype("f4")
        found.append((make_block({"u": (("t", "y", "x"), values)}), layout, {"u": Tolerance("abs", 0.01)}))
    return found


@one_thread
def test_each_call_has_hints_of_its_own() -> None:
    blocks = waves(4)
    model = TransformModel(TransformModel.Options(effort="balanced"))

    def expected(number: int) -> list[float]:
        hints = Hints(rival=[1.0, np.inf][number % 2])
        estimate = model.estimate(*blocks[number // 2], hints=hints)
        assert estimate is not None
        return list(estimate.sizes.values())

    numbers = range(2 * len(blocks))
    alone = [expected(number) for number in numbers]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(expected, numbers)) == alone


def test_rows_of_another_file_are_used_by_the_calls_that_may() -> None:
    rng = np.random.default_rng(1)
    columns = {"a": rng.integers(0, 50, 600), "b": rng.integers(0, 50, 600) // 7}
    layout = Layout("table", tuple(Variable(name, "<i8", ("row",)) for name in columns), {"row": 600})
    block = make_block({name: (("row",), values) for name, values in columns.items()})
    bounds = dict.fromkeys(columns, Tolerance("exact"))
    trained = TableModel(TableModel.Options(effort="fast"))
    trained.fit([block], layout=layout, tolerances=bounds, training=Training(), hints=Hints(for_other_files=True))
    knows_all, knows_plan = (TableModel(TableModel.Options(effort="fast")) for _ in range(2))
    knows_all.load_state({**trained.state(), **trained.encoder_state()})
    knows_plan.load_state(trained.state())

    def coded(by_reference: bool) -> bytes:
        return knows_all.encode(block, layout, bounds, hints=Hints(by_reference=by_reference))["columns"]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(coded, [True, False] * 4))
    assert found[::2] == [found[0]] * 4
    assert found[1::2] == [found[1]] * 4
    assert found[0] != found[1]
    for data, decoder in ((found[0], knows_all), (found[1], knows_plan)):
        restored = decoder.decode({"columns": data}, layout, bounds)
        for name, values in columns.items():
            np.testing.assert_array_equal(values_of(restored, name), values)


@one_thread
def test_later_blocks_of_a_group_may_be_coded_in_any_order(tmp_path: Path) -> None:
    values = np.concatenate([block["u"].values for block, _, _ in waves(6)])
    np.savez(tmp_path / "a.npz", u=values)
    registry = load_plugins()
    model = ComponentSpec("auto", AutoOptions(effort="fast"))
    bounds = BoundRules((("*", ErrorBound("abs", 0.01)),))
    config = Config(
        None, (tmp_path / "a.npz",), None, None, bounds, (), model, Training(), (), tmp_path, block_bytes=49152
    )
    given = input_of(config.inputs[0], config, registry)
    with given.source:
        job = prepare(config, registry, given.source)
        first, *later = [prepared for block in job.blocks for prepared in job.prepared(block)]
    coder, _ = start_group(job, first)
    alone = [coder.encode(prepared) for prepared in later]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(coder.encode, reversed(later))) == alone[::-1]
    assert len({repr(coded.streams) for coded in alone}) == 5


def test_a_file_has_the_same_bytes_whatever_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    data = {f"c{n}": rng.integers(0, 5 + n, 200) for n in range(10)}
    data |= {"u": rng.normal(size=(6, 24, 40)).cumsum(axis=2), "v": rng.normal(size=(6, 24, 40)).cumsum(axis=1)}
    written = {}
    for count in (1, 2, 16):
        monkeypatch.setattr("baler_core.machine.threads.workers", lambda count=count: count)
        target = tmp_path / f"{count}.bal"
        baler_core.compress(data, target, bounds={"[uv]": {"abs": 0.01}}, model={"name": "auto", "effort": "balanced"})
        written[count] = target.read_bytes()
        assert np.abs(baler_core.open(target, as_="numpy")["u"] - data["u"]).max() <= 0.01
    assert written[1] == written[2] == written[16]


def test_what_follows_is_made_while_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "workers", lambda: 2)
    begun: list[int] = []
    second = Event()

    def made(number: int) -> int:
        begun.append(number)
        if number == 1:
            second.set()
        if number == 4:
            raise ValueError("of the fifth")
        return number

    found = ahead(made, range(9), 2)
    assert next(found) == 0
    assert second.wait(10)
    assert [next(found), next(found), next(found)] == [1, 2, 3]
    with pytest.raises(ValueError, match="of the fifth"):
        next(found)
    assert max(begun) < 8
    begun.clear()
    assert next(ahead(made, range(9), 1)) == 0
    assert begun == [0]


def test_many_items_are_taken_several_at_once_and_the_first_failure_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "workers", lambda: 3)
    for count in (1, 2, 7, 100, 1001):
        assert in_parallel(lambda item: item * item, range(count)) == [item * item for item in range(count)]

    def failing(item: int) -> int:
        if item in (500, 900):
            raise ValueError(f"of {item}")
        return item

    with pytest.raises(ValueError, match="of 500"):
        in_parallel(failing, range(1001))


@pytest.mark.parametrize(("memory", "most"), [(None, 4), (8_000_000, 2), (5_000_000, 1)])
def test_so_many_blocks_are_decoded_at_a_time_as_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int | None, most: int
) -> None:
    values = np.repeat(np.arange(4.0), 300_000).reshape(4, 500, 600)
    baler_core.compress({"x": values}, tmp_path / "x.bal", model="scalar", block_bytes=2_500_000)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    lock, now, at_once = Lock(), [0], [0]
    decoded = BalFile.block

    def block(stored: BalFile, number: int) -> Any:
        with lock:
            now[0] += 1
            at_once[0] = max(at_once[0], now[0])
        sleep(0.05)
        found = decoded(stored, number)
        with lock:
            now[0] -= 1
        return found

    monkeypatch.setattr(BalFile, "block", block)
    with BalFile(tmp_path / "x.bal", None, memory=memory) as stored:
        parts = [values_of(each, "x") for each in stored.blocks()]
    assert len(parts) == 4
    assert np.concatenate(parts).tobytes() == values.tobytes()
    assert at_once[0] == most


def test_calls_within_calls_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 4)
    met, left = Barrier(2), Event()

    def spread(number: int) -> list[int]:
        met.wait()
        within = workers()
        left.wait() if number else left.set()
        return [within, *in_parallel(lambda _: workers(), [0, 1])]

    assert in_parallel(spread, [0, 1])[0][:2] == [2, 1]
    assert workers() == 4

    def alone(number: int) -> int:
        met.wait()
        if number:
            return 0
        end = monotonic() + 10
        while workers() < 4 and monotonic() < end:
            sleep(0.001)  # until the other one has ended
        return workers()

    assert in_parallel(alone, [0, 1])[0] == 4


def test_threads_of_a_command_that_is_stopped_begin_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 2)
    stopped, ended, begun = Event(), Event(), []
    met = Barrier(2)

    def work(number: int) -> None:
        met.wait()
        if not number:
            raise KeyboardInterrupt
        stopped.wait()
        try:
            in_parallel(begun.append, [1, 2])
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, [0, 1])
    stopped.set()
    assert ended.wait(10)
    assert begun == []


def test_calls_that_fail_do_so_where_their_results_are_asked_for() -> None:
    calls = attempted(lambda number: 1 // number, [2, 0, 1])
    assert [number for number, _ in calls] == [2, 0, 1]
    assert [calls[0][1].result(), calls[2][1].result()] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        calls[1][1].result()


def test_a_property_is_computed_of_several_objects_at_once() -> None:
    met = Barrier(2, timeout=10)

    class Slow:
        count = 0

        @cached_property
        def value(self) -> int:
            """Wait for the other object."""
            met.wait()
            self.count += 1
            return self.count

    objects = [Slow(), Slow()]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda one: one.value, objects)) == [1, 1]
    assert [one.value for one in objects] == [1, 1]
    assert Slow.value.__doc__ == "Wait for the other object."


def test_threads_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 9)
    with Threads(4, 6) as pool:  # alone after the last of them has begun, or of the last two
        assert [pool.submit(workers).result() for _ in range(7)] == [2, 2, 2, 2, 4, 9, 9]
        assert (own_cores(), pool.submit(own_cores).result()) == (9, 1)
    with Threads(20, 40) as pool:
        assert (workers(), pool.submit(workers).result()) == (9, 1)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        assert processes.submit(own_cores).result() == 1


def test_the_cores_of_calls_that_have_ended_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 9)
    together, first_has_ended = Barrier(2), Event()

    def first() -> int:
        together.wait()
        return workers()

    def second() -> int:
        together.wait()
        first_has_ended.wait()
        return workers()

    with Threads(2, 2) as pool:
        one, other = pool.submit(first), pool.submit(second)
        assert one.result() == 4
        first_has_ended.set()
        assert other.result() == 9


@pytest.mark.parametrize(
    ("cores", "block_bytes", "memory", "in_threads"),
    [
        (3, 1 << 20, 1 << 40, True),
        (1, 1 << 20, 1 << 40, False),
        (3, 1 << 19, 1 << 40, False),
        (3, 1 << 20, 320 << 20, False),
    ],
)
def test_large_blocks_are_encoded_in_threads_where_memory_allows(
    cores: int, block_bytes: int, memory: int, in_threads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"x": np.repeat(np.arange(6.0), 1 << 17), "k": np.repeat(np.arange(6), 1 << 17)}
    more: dict[str, Any] = {"model": "scalar", "block_bytes": block_bytes}
    found: set[int] = set()

    def noted(*arguments: Any) -> Any:
        found.add(get_ident())
        sleep(0.01)
        return code_known(*arguments)

    monkeypatch.setattr(threads, "cores", lambda: cores)
    monkeypatch.setattr(block_team, "code_known", noted)
    monkeypatch.setattr(block_team, "memory_limit", lambda: memory)
    baler_core.compress(values, tmp_path / "x.bal", **more)
    assert len(found) > 1 if in_threads else not found
    assert get_ident() not in found
    monkeypatch.setattr(threads, "cores", lambda: 1)
    baler_core.compress(values, tmp_path / "alone.bal", **more)
    assert (tmp_path / "x.bal").read_bytes() == (tmp_path / "alone.bal").read_bytes()


def test_memory_is_what_the_narrowest_control_group_grants(tmp_path: Path) -> None:
    members, own = tmp_path / "cgroup", tmp_path / "memory" / "job" / "step"
    own.mkdir(parents=True)
    (tmp_path / "new").mkdir()
    members.write_text("9:cpu:/job\n4:memory:/job/step\n0::/new\n")
    (own / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (own.parent / "memory.limit_in_bytes").write_text("4000\n")
    (tmp_path / "new" / "memory.max").write_text("max\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert sorted(limits_of_groups(members, tmp_path)) == [4000, 5000, 9223372036854771712]
    assert list(limits_of_groups(tmp_path / "absent", tmp_path)) == []
    assert memory_limit() > 1 << 28


def test_a_growing_file_is_written_to_disk_before_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, path = Event(), tmp_path / "out.bin"
    monkeypatch.setattr(disk, "_WORTH_WRITING", 1000)
    monkeypatch.setattr(disk.os, "fsync", lambda number: synced.set())
    with completed(path) as temporary:
        temporary.write_bytes(bytes(999))
        assert not synced.wait(0.3)
        temporary.write_bytes(bytes(1000))
        assert synced.wait(10)
    assert path.read_bytes() == bytes(1000)
