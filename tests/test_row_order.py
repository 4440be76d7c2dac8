"""Tables whose order of rows means nothing: sorted by what makes them smallest, told, and compared with the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import baler_core
from baler_core.cli import main
from baler_core.data.block import values_of
from baler_core.data.rows import RowOrder, moved_rows
from baler_core.data.variables import Schema, Variable
from baler_core.errors import DataError, FormatError
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json
from baler_core.pipeline.row_order import SortedSource
from baler_core.plugin.array_source import ArraySource

ROWS = 1200
FAST = {"name": "auto", "effort": "fast"}


def stars(rows: int = ROWS) -> dict[str, np.ndarray]:
    """A catalogue: a colour in few steps on which the brightness depends, and positions that tell nothing."""
    rng = np.random.default_rng(5)
    colour = np.round(rng.normal(0.6, 0.3, rows), 2)
    return {
        "id": rng.permutation(rows),
        "colour": colour,
        "mag": np.round(5 + 4 * colour + rng.normal(0, 0.5, rows), 3),
        "dec": np.round(np.degrees(np.arcsin(rng.uniform(-1, 1, rows))), 5),
    }


def write_csv(path: Path, columns: dict[str, np.ndarray]) -> list[str]:
    """A table with cells of unusual spelling, a comment between rows and no line end at the end; returns its rows."""
    cells = [[str(value) for value in column.tolist()] for column in columns.values()]
    cells[2][7], cells[2][1000], cells[1][20] = "1.50e1", "+9.25", ""
    lines = [",".join(row) for row in zip(*cells, strict=True)]
    text = [",".join(columns), *lines[:10], "# a remark", *lines[10:]]
    path.write_text("\n".join(text))
    return lines


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return int(str(caught.value.code or 0))


def test_a_text_table_keeps_every_row_and_what_belongs_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = write_csv(tmp_path / "stars.csv", stars())
    (tmp_path / "c.yaml").write_text(
        "input: stars.csv\norder: free\nreader: {name: csv, comment: '#'}\nplots: []\nmodel: {effort: fast}\noutput: out\n"
    )
    assert run("compress", tmp_path / "c.yaml") == 0
    assert "1,200 rows come in another order" in capsys.readouterr().err
    assert run("decompress", tmp_path / "out/stars.bal", "-o", tmp_path / "out.csv") == 0
    restored = (tmp_path / "out.csv").read_text().split("\n")
    assert restored[11] == "# a remark"
    assert len(restored) == ROWS + 2
    assert sorted(restored[1:11] + restored[12:]) == sorted(lines)
    assert restored[1:11] != lines[:10]
    assert run("info", tmp_path / "out/stars.bal") == 0
    assert "sorted by" in capsys.readouterr().out


@pytest.fixture(scope="module")
def sorted_stars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the catalogue and its compressed form."""
    folder = tmp_path_factory.mktemp("stars")
    np.savez(folder / "stars.npz", **stars())
    bounds = {"mag": {"abs": 0.01}, "dec": {"abs": 1e-4}}
    baler_core.compress(folder / "stars.npz", folder / "kept.bal", bounds=bounds, model=FAST)
    baler_core.compress(folder / "stars.npz", folder / "a.bal", bounds=bounds, model=FAST, order="free")
    return folder


def test_it_is_smaller_and_the_comparison_finds_the_same_rows(sorted_stars: Path) -> None:
    columns = stars()
    assert (sorted_stars / "a.bal").stat().st_size < 0.93 * (sorted_stars / "kept.bal").stat().st_size
    assert run("evaluate", sorted_stars / "stars.npz", sorted_stars / "a.bal") == 0
    header = read_info(sorted_stars / "a.bal").header
    assert header.order is not None
    assert header.order.rows == 0
    assert "'order: free' declares that their order means nothing" in header.left_out[0]
    rows = np.lexsort([columns[key] for key in reversed(header.order.keys)])
    found = baler_core.open_file(sorted_stars / "a.bal")
    assert np.array_equal(found["id"][:], columns["id"][rows])
    assert np.abs(found["mag"][:] - columns["mag"][rows]).max() <= 0.01


def test_large_tables_are_sorted_in_pieces(tmp_path: Path) -> None:
    columns = stars()
    done = baler_core.compress(columns, tmp_path / "a.bal", model=FAST, order="free", block_bytes=16 * ROWS)
    order = read_info(tmp_path / "a.bal").header.order
    assert order is not None
    assert order.rows == ROWS // 2
    assert any("in pieces of 600" in sentence for sentence in done.left_out)
    found = baler_core.open_file(tmp_path / "a.bal")["id"][:]
    assert not np.array_equal(found, columns["id"])
    assert set(found[:600].tolist()) == set(columns["id"][:600].tolist())


def test_what_is_in_the_best_order_stays(tmp_path: Path) -> None:
    time = np.arange(ROWS) * 3
    level = np.cumsum(np.random.default_rng(1).integers(-2, 3, ROWS))
    done = baler_core.compress({"time": time, "level": level}, tmp_path / "a.bal", model=FAST, order="free")
    assert read_info(tmp_path / "a.bal").header.order is None
    assert not done.left_out


def events() -> ArraySource:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, 50)
    hits = rng.integers(0, 3, counts.sum())
    arrays = {
        "run": rng.permutation(50),
        "n": counts,
        "track": np.arange(counts.sum()),
        "hits": hits,
        "hit": np.arange(hits.sum()),
        "label": np.array([f"event {n}" for n in range(50)], object),
        "vertex": rng.normal(size=(50, 3)),
    }
    dims = {"track": ("tracks",), "hits": ("tracks",), "hit": ("all_hits",), "vertex": ("row", "axis")}
    variables = tuple(
        Variable(name, "str" if name == "label" else array.dtype.str, dims.get(name, ("row",)))
        for name, array in arrays.items()
    )
    sizes = {"row": 50, "tracks": int(counts.sum()), "all_hits": int(hits.sum()), "axis": 3}
    return ArraySource(Schema(variables, sizes, {"tracks": "n", "all_hits": "hits"}), arrays)


@pytest.mark.parametrize("max_bytes", [1 << 20, 500, 20])
@pytest.mark.parametrize("together", [0, 7])
def test_everything_of_an_event_goes_with_it(max_bytes: int, together: int) -> None:
    def by_run(source: ArraySource | SortedSource) -> dict[int, tuple[object, ...]]:
        found = {}
        for block in source.blocks(max_bytes):
            hits = iter(values_of(block, "hit").tolist())
            tracks = iter(zip(values_of(block, "track").tolist(), values_of(block, "hits").tolist(), strict=True))
            rows = zip(*(values_of(block, name) for name in ("run", "n", "label", "vertex")), strict=True)
            for run_number, count, label, vertex in rows:
                own = [
                    (track, [next(hits) for _ in range(many)]) for track, many in [next(tracks) for _ in range(count)]
                ]
                found[int(run_number)] = (own, label, *vertex)
        return found

    moved = SortedSource(events(), RowOrder("row", ("run",), together))
    assert by_run(moved) == by_run(events())
    runs = np.concatenate([values_of(block, "run") for block in moved.blocks(max_bytes)])
    pieces = [runs[start : start + together] for start in range(0, 50, together)] if together else [runs]
    assert all((np.diff(piece) > 0).all() for piece in pieces)


def test_rows_move_as_they_are_told() -> None:
    (block,) = events().blocks(1 << 20)
    order = np.array([3, 1, 2])
    found = moved_rows(block, events().schema, "row", order)
    starts = np.cumsum(values_of(block, "n")) - values_of(block, "n")
    wanted = np.concatenate([np.arange(starts[row], starts[row] + values_of(block, "n")[row]) for row in order])
    assert np.array_equal(values_of(found, "track"), values_of(block, "track")[wanted])


def test_categories_stay_while_rows_move(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.permutation(3000), "c": pd.Categorical(rng.choice(["p", "q", "r"], 3000))})
    done = baler_core.compress(frame, tmp_path / "a.bal", model=FAST, order="free")
    assert any("'order: free' declares" in sentence for sentence in done.left_out)
    found = baler_core.open(tmp_path / "a.bal")
    assert not found["x"].equals(frame["x"])
    pd.testing.assert_frame_equal(
        found.sort_values("x", ignore_index=True), frame.sort_values("x", ignore_index=True), check_categorical=True
    )


def test_where_places_mean_something_it_is_refused(tmp_path: Path) -> None:
    field = np.zeros((8, 9))
    two = {"a": np.zeros(5), "b": np.zeros(6)}
    for data, what in ((field, "lies on a grid"), (two, "holds 2"), (np.float64(3), "nothing here has rows")):
        with pytest.raises(DataError, match=what):
            baler_core.compress(data, tmp_path / "a.bal", order="free")
    (tmp_path / "a.bin").write_bytes(bytes(5000))
    with pytest.raises(DataError, match=r"keep their rows in order|grid|nothing"):
        baler_core.compress(tmp_path / "a.bin", tmp_path / "a.bal", reader="whole_file", order="free")
    assert not (tmp_path / "a.bal").exists()


def test_the_original_needs_the_columns_it_was_sorted_by(
    sorted_stars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = read_info(sorted_stars / "a.bal").header.order
    assert order is not None
    np.savez(tmp_path / "fewer.npz", **{name: column for name, column in stars().items() if name not in order.keys})
    assert run("evaluate", tmp_path / "fewer.npz", sorted_stars / "a.bal") == 1
    assert "the original cannot be brought into the same order" in capsys.readouterr().err


def test_forged_orders_are_refused(sorted_stars: Path) -> None:
    record = header_to_json(read_info(sorted_stars / "a.bal").header)
    for forged in ([9, [0], 0], [0, [99], 0], [0, [], 0], [0, [0], -1], [0, [0]], "x", [0, 0, 0]):
        with pytest.raises(FormatError):
            header_from_json({**record, "order": forged}, 9)
