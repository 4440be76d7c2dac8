"""The rows of each event: counts become lengths that fit, groups wait for their counts, samples hold whole events."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core.builtin.models.scalar import ScalarModel
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Schema, Variable, counts_first, event_lengths
from baler_core.errors import DataError
from baler_core.pipeline import task as tasks
from baler_core.pipeline.choose import choose
from baler_core.pipeline.input import layouts_of
from baler_core.pipeline.task import Task
from baler_core.plugin.interfaces import Training

SCHEMA = Schema(
    (
        Variable("x", "<f4", ("part",)),
        Variable("n_x", "<i4", ("jet",)),
        Variable("pt", "<f4", ("jet",)),
        Variable("n_jet", "<u8", ("event",)),
        Variable("run", "<i4", ("event",)),
    ),
    {"part": 7, "jet": 4, "event": 3},
    {"part": "n_x", "jet": "n_jet"},
)


def nested(n_jet: list[int], n_x: list[int]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    arrays = {
        "x": np.arange(7, dtype="<f4"),
        "n_x": np.array(n_x, "<i4"),
        "pt": np.arange(4, dtype="<f4"),
        "n_jet": np.array(n_jet, "<u8"),
        "run": np.zeros(3, "<i4"),
    }
    return {name: (SCHEMA[name].dims, values) for name, values in arrays.items()}


def test_jagged_groups_know_the_rows_of_each_event() -> None:
    layouts = layouts_of(make_block(nested([3, 0, 1], [2, 0, 4, 1])), SCHEMA)
    lengths = {layout.name: layout.lengths for layout in layouts}
    assert lengths["event"] is None
    assert lengths["jet"].tolist() == [3, 0, 1]
    assert lengths["part"].tolist() == [2, 0, 4, 1]
    assert counts_first(layouts) == [2, 1, 0]


def test_without_the_counts_nothing_is_known_of_events() -> None:
    arrays = nested([3, 0, 1], [2, 0, 4, 1])
    layouts = layouts_of(make_block({"x": arrays["x"], "run": arrays["run"]}), SCHEMA)
    assert [layout.lengths for layout in layouts] == [None, None]
    assert counts_first(layouts) == [0, 1]


@pytest.mark.parametrize("counts", [[3, 0, 2], [5, -1, 0], [2**62, 2**62, 4], [2.0, 1.0, 1.0]])
def test_counts_that_do_not_fit_are_refused(counts: list[float]) -> None:
    with pytest.raises(DataError, match="n_jet"):
        event_lengths(np.array(counts), 4, "n_jet")


def test_counts_that_overflow_do_not_feign_the_right_sum() -> None:
    with pytest.raises(DataError, match="n_jet"):
        event_lengths(np.array([2**63, 2**63, 4], np.uint64), 4, "n_jet")


def test_counts_that_need_each_other_are_refused() -> None:
    first = Layout("table", (Variable("a", "<i4", ("u",)),), {"u": 2}, counts="b")
    second = Layout("table", (Variable("b", "<i4", ("v",)),), {"v": 2}, counts="a")
    with pytest.raises(DataError, match="depend on themselves"):
        counts_first([first, second])
    with pytest.raises(DataError, match="depend on themselves"):
        counts_first([Layout("table", (Variable("c", "<i4", ("u",)),), {"u": 2}, counts="c")])


class Watching(ScalarModel):
    """Notes the events it is shown."""

    name = "watching"
    seen: list[tuple[int, list[int], list[int]]]

    def estimate(self, block, layout, tolerances, **_):  # type: ignore[no-untyped-def]
        return None

    def fit(self, blocks, *, layout, tolerances, training, **more):  # type: ignore[no-untyped-def]
        for block in blocks:
            rows = values_of(block, "pt").astype(int).tolist()
            assert values_of(block, layout.counts).tolist() == layout.lengths.tolist()
            self.seen.append((layout.sizes["jet"], layout.lengths.tolist(), rows))
        super().fit(blocks, layout=layout, tolerances=tolerances, training=training, **more)


def test_a_part_of_a_block_is_tried_with_whole_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SAMPLE_BYTES", 100)
    monkeypatch.setattr(Watching, "seen", [], raising=False)
    lengths = np.array([3, 0, 9, 4, 1, 1, 0, 7, 5, 10])
    block = make_block({"n": (("event",), lengths), "pt": (("jet",), np.arange(40, dtype="<f4"))})
    layout = Layout("table", (Variable("pt", "<f4", ("jet",)),), {"jet": 40}, "n", lengths)
    choose([Watching, ScalarModel], Task([block], block, layout, {"pt": Tolerance("exact")}, Training()))
    rows, found, values = Watching.seen[0]
    assert (rows, found) == (18, [4, 1, 1, 0, 7, 5])
    assert values == list(range(12, 30))
