"""Some variables and rows of a file are restored into a file of its format, which holds these values and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import baler_core
from baler_core.cli import main

N = 400


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("archive")
    records = np.zeros(N, [("a", "<i4"), ("b", ">f8")])
    records["b"] = rng.normal(size=N)
    np.savez(folder / "a.npz", x=rng.normal(size=N), y=rng.normal(size=(N, 3)), z=rng.normal(size=(20, 30)), r=records)
    bounds = {"*": {"abs": 0.01}}
    baler_core.compress(folder / "a.npz", folder / "a.bal", bounds=bounds, model="scalar", block_bytes=3000)
    return folder / "a.bal"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    rows = [f"{n}{',' if n != 7 else ',  '}s{n % 7},{n / 7:.3f}" for n in range(N)]
    rows.insert(100, "# half-way")
    (folder / "t.csv").write_text("# hello\nid,name,flux\n" + "\n".join(rows) + "\n")
    baler_core.compress(folder / "t.csv", folder / "t.bal", model="scalar", block_bytes=3000)
    return folder / "t.bal"


def test_arrays_of_an_archive(archive: Path, tmp_path: Path) -> None:
    whole = baler_core.open(archive, as_="numpy")
    baler_core.decompress(archive, tmp_path / "p.npz", variables=["x", "y", "r/b"], rows=(33, 301))
    with np.load(tmp_path / "p.npz") as found:
        assert set(found.files) == {"x", "y", "r"}
        assert found["r"].dtype.names == ("b",)
        for name, values in (("x", found["x"]), ("y", found["y"]), ("r/b", found["r"]["b"])):
            np.testing.assert_array_equal(values, whole[name][33:301])
    baler_core.decompress(archive, tmp_path / "z.npz", variables="z")
    with np.load(tmp_path / "z.npz") as found:
        assert found.files == ["z"]
        np.testing.assert_array_equal(found["z"], whole["z"])


def test_columns_and_rows_of_a_table(table: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    baler_core.decompress(table, tmp_path / "p.csv", variables=["flux", "id"], rows=(5, 9))
    assert (tmp_path / "p.csv").read_text() == "# hello\nid,flux\n" + "".join(f"{n},{n / 7:.3f}\n" for n in range(5, 9))
    assert "comments and empty lines between rows are left out" in caplog.text
    baler_core.decompress(table, tmp_path / "r.csv", rows=(398, None))
    assert (tmp_path / "r.csv").read_text().splitlines()[2:] == ["398,s6,56.857", "399,s0,57.000"]


def test_an_array_and_an_object(tmp_path: Path) -> None:
    values = np.arange(60.0).reshape(20, 3)
    np.save(tmp_path / "a.npy", values)
    baler_core.compress(tmp_path / "a.npy", tmp_path / "a.bal")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "p.npy", rows=(4, 8))
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), values[4:8])
    days = np.arange("2020-01-01", "2020-01-21", dtype="M8[D]")
    baler_core.compress({"t": days, "v": values}, tmp_path / "o.bal")
    baler_core.decompress(tmp_path / "o.bal", tmp_path / "o.npz", variables="t", rows=(3, 5))
    with np.load(tmp_path / "o.npz") as found:
        np.testing.assert_array_equal(found["t"], days[3:5])


def test_the_command_says_what_there_is_not(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.npz"

    def refused(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["decompress", str(archive), "-o", str(out), *arguments])
        assert caught.value.code in (1, 2)
        assert not out.exists()
        return capsys.readouterr().err

    assert "no variable 'xx'" in refused("--variable", "xx")
    assert "has 400 rows along" in refused("--variable", "x", "--rows", "300:401")
    assert "rows of which dimension?" in refused("--rows", "0:3")
    assert "1000:2000" in refused("--rows", "3-9")
    with pytest.raises(SystemExit, match="0"):
        main(["decompress", str(archive), "-o", str(out), "--variable", "x", "--rows", ":7"])
    with np.load(out) as found:
        assert found["x"].shape == (7,)


def test_a_format_that_cannot_be_cut_says_what_can_be_done(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"%PDF" + bytes(500))
    baler_core.compress(tmp_path / "notes.pdf", tmp_path / "n.bal", reader="whole_file")
    with pytest.raises(baler_core.DataError, match=r"restored whole; baler_core\.open_file gives parts"):
        baler_core.decompress(tmp_path / "n.bal", tmp_path / "p.pdf", rows=(0, 3))


def test_rows_of_a_frame_with_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(9.0), "c": pd.Categorical(["p", "q", "r"] * 3)})
    baler_core.compress(frame, tmp_path / "f.bal")
    baler_core.decompress(tmp_path / "f.bal", tmp_path / "p.npz", variables=["x", "c"], rows=(4, 6))
    with np.load(tmp_path / "p.npz") as found:
        assert found["x"].tolist() == [4, 5]
        assert found["c/categories"][found["c"]].tolist() == ["q", "r"]
