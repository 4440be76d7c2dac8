"""Every reader reads rows by themselves, in any order, as it reads them one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baler_core.builtin.readers.csv import source as csv_source
from baler_core.data.block import values_of
from baler_core.data.variables import leading_slices
from baler_core.plugin.registry import load_plugins

ROWS = 1000
RNG = np.random.default_rng(3)
X, K = RNG.normal(size=ROWS), RNG.integers(0, 9, ROWS)
FIELD = RNG.normal(size=(40, 5, 7)).astype("f4")


def csv(path: Path) -> None:
    lines = [f'{x:.4f},{k},"a ""b"" {k % 3}"' for x, k in zip(X, K, strict=True)]
    path.write_text("x,k,text\n" + "\n".join(lines) + "\n")


def npz(path: Path) -> None:
    np.savez_compressed(path, x=X, k=K, f=np.asfortranarray(FIELD), one=np.float64(3))


def npy(path: Path) -> None:
    np.save(path, FIELD)


def hdf5(path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["x"], file["one"] = X, 3.0
        file.create_dataset("f", data=FIELD, chunks=(7, 5, 7), compression="gzip")


def classic(path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for name, length in (("t", None), ("y", 5), ("x", 7)):
            file.createDimension(name, length)
        file.createVariable("f", "f4", ("t", "y", "x"))[:] = FIELD
        file.createVariable("y", "f8", ("y",))[:] = np.arange(5.0)


def fits(path: Path) -> None:
    astropy = pytest.importorskip("astropy.io.fits")
    lists = np.array([np.arange(n % 4, dtype="f4") for n in range(50)], object)
    columns = [
        astropy.Column("x", "D", array=X[:50]),
        astropy.Column("l", "PE()", array=lists),
    ]
    astropy.HDUList(
        [astropy.PrimaryHDU(FIELD), astropy.CompImageHDU(FIELD[0]), astropy.BinTableHDU.from_columns(columns)]
    ).writeto(path)


def root(path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    awkward = pytest.importorskip("awkward")
    jets = awkward.unflatten(RNG.normal(size=3 * 200), [3] * 100 + [1] * 50 + [5] * 50)
    with uproot.recreate(path) as file:
        file["a"] = {"x": X[:200], "jet": jets}
        file["b"] = {"k": K}


def parquet(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "x": X,
            "l": pa.array([list(range(n % 3)) if n % 5 else None for n in range(ROWS)]),
            "d": pa.array([f"w{k}" for k in K]).dictionary_encode(),
        }
    )
    if path.suffix == ".parquet":
        __import__("pyarrow.parquet").parquet.write_table(table, path, row_group_size=270)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=270)


def zarr(path: Path) -> None:
    store = pytest.importorskip("zarr").open_group(str(path), mode="w")
    store.create_array("f", shape=FIELD.shape, chunks=(9, 5, 4), dtype="f4")[:] = FIELD
    store.create_array("x", shape=X.shape, chunks=(128,), dtype="f8")[:] = X


def anything(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 9)


FILES: dict[str, Callable[[Path], None]] = {
    "a.csv": csv,
    "a.npz": npz,
    "a.npy": npy,
    "a.h5": hdf5,
    "a.nc": classic,
    "a.fits": fits,
    "a.root": root,
    "a.parquet": parquet,
    "a.arrow": parquet,
    "a.zarr": zarr,
    "a.bin": anything,
}


@pytest.mark.parametrize("name", [*FILES, "read again.csv"])
def test_rows_by_themselves_are_those_in_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in FILES:
        monkeypatch.setattr(csv_source, "_KEPT_BYTES", 0)
        monkeypatch.setattr(csv_source, "_SCAN_ROWS", 64)
    path = tmp_path / name
    FILES["a.csv" if name not in FILES else name](path)
    registry = load_plugins()
    reader = registry.reader("whole_file" if path.suffix == ".bin" else registry.reader_for(path))()
    with reader.open(path) as source:
        assert source.reads_any_rows
        total = sum(map(source.schema.nbytes, source.schema.variables))
        plan = leading_slices(source.schema, total // 7)
        blocks = list(source.blocks(total // 7))
        assert len(plan) == len(blocks) > 3
        order = [*range(len(plan))[::-1], *range(0, len(plan), 2), 1, 2]
        for number in order:
            _, variables, rows = plan[number]
            found = source.read(variables, rows)
            assert found.sizes == blocks[number].sizes
            for v in variables:
                np.testing.assert_array_equal(values_of(found, v.name), values_of(blocks[number], v.name))
