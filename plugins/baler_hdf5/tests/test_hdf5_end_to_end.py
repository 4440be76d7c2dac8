"""From the command line: what a user gets for files of which a part cannot be read, and for numbers that readers turn."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from h5py import h5d, h5p, h5s, h5t

import baler_core
from baler_core.cli import main


def baler(*words: str) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_allow_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("data.h5", "w") as file:
        file["x"] = np.arange(100.0)
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_chunk((2,))
        properties.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
        stored = h5d.create(file.id, b"lost", h5t.STD_I32LE, h5s.create_simple((2,)), properties)
        stored.write_direct_chunk((0,), bytes(8))
    Path("data.yaml").write_text("input: data.h5\noutput: out\n")
    assert baler("compress", "data.yaml") == 1
    said = capsys.readouterr().err
    assert "dataset 'lost' cannot be read" in said
    assert "--allow-missing" in said
    assert not Path("out/data.bal").exists()
    assert baler("compress", "data.yaml", "--allow-missing") == 0
    assert "dataset 'lost' is left out" in capsys.readouterr().err
    assert baler("run", "data.yaml", "--allow-missing") == 0
    with h5py.File("out/data.restored.h5") as file:
        assert list(file) == ["x"]
    Path("data.yaml").write_text("input: data.h5\noutput: out\nreader: {name: hdf5, allow_missing: true}\n")
    assert baler("compress", "data.yaml") == 0
    np.savetxt("table.csv", np.eye(3), delimiter=",", header="a,b,c", comments="")
    Path("table.yaml").write_text("input: table.csv\noutput: out\n")
    assert baler("compress", "table.yaml", "--allow-missing") == 0
    Path("both.yaml").write_text("input: [table.csv, data.h5]\noutput: out\n")
    capsys.readouterr()
    assert baler("compress", "both.yaml", "--allow-missing") == 1
    assert "the inputs need csv and hdf5" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize(("code", "scale"), [("i1", 1.0), ("i1", -0.5), ("i2", 0.25)])
def test_the_bound_is_kept_on_what_readers_show(tmp_path: Path, kind: Any, code: str, scale: float) -> None:
    path, output = tmp_path / "data.nc", tmp_path / "restored.nc"
    whole = np.random.default_rng(1).integers(0, 2 ** (8 * np.dtype(code).itemsize), 2000)
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("x", whole.size)
        counts = file.createVariable("counts", code, ("x",), fill_value=-1)
        counts.set_auto_maskandscale(False)
        counts.setncatts({"_Unsigned": "true", "scale_factor": scale, "add_offset": 5.0})
        counts[:] = whole.astype(f"u{code[1]}").view(code)
    baler_core.compress(path, tmp_path / "data.bal", bounds={"counts": {"abs": 3.0}})
    baler_core.decompress(tmp_path / "data.bal", output, overwrite=True)
    with xr.open_dataset(path) as a, xr.open_dataset(output) as b:
        before, after = a["counts"].values, b["counts"].values
        assert not np.array_equal(before, after, equal_nan=True)
        assert np.nanmax(np.abs(before - after)) <= 3


@pytest.mark.parametrize("members", [(0, 1), (0, -1), (1, 0)], ids=str)
@pytest.mark.parametrize("code", [h5t.STD_I8LE, h5t.STD_I32BE], ids=["i1", "i4"])
def test_booleans_of_other_numbers_come_back(code: h5t.TypeIntegerID, members: tuple[int, int], tmp_path: Path) -> None:
    """HDF5 has no booleans but enumerations, whose datasets hold any number."""
    raw = np.random.default_rng(4).integers(-3, 4, 300).astype(code.dtype)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        kind = h5t.enum_create(code)
        for name, value in zip((b"FALSE", b"TRUE"), members, strict=True):
            kind.enum_insert(name, value)
        h5d.create(file.id, b"flag", kind, h5s.create_simple((300,))).write(h5s.ALL, h5s.ALL, raw, mtype=kind)
    baler_core.compress(tmp_path / "data.h5", tmp_path / "data.bal")
    baler_core.decompress(tmp_path / "data.bal", tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        kind, stored = file["flag"].id.get_type(), np.empty(300, code.dtype)
        file["flag"].id.read(h5s.ALL, h5s.ALL, stored, mtype=kind)
        assert [kind.get_member_value(n) for n in range(2)] == list(members)
    np.testing.assert_array_equal(stored, raw)


@pytest.mark.parametrize("limit", [2000, 100_000])
def test_a_full_disk_is_called_so_and_leaves_nothing(limit: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = np.random.default_rng(1).normal(size=(300, 200)).round(1)
    baler_core.compress(tmp_path / "data.h5", tmp_path / "data.bal", model={"name": "scalar", "effort": "fast"})
    done = subprocess.run(
        [sys.executable, "-m", "baler_core", "decompress", tmp_path / "data.bal", "-o", tmp_path / "out.h5"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert "a file exceeds the size limit of this process" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.bal", "data.h5"]
