"""The .bal files that the fuzzing target `files` damages: of every reader, with what each restores to."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.api import calls as api
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.registry import Registry

MEMORY = 100_000_000


@dataclass(frozen=True)
class Subject:
    """A .bal file, and what it restores to."""

    name: str
    data: bytes
    values: dict[str, bytes]
    suffix: str


def restored_values(path: Path, registry: Registry) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    with BalFile(path, registry, memory=MEMORY) as stored:
        stored.schema()
        for block in stored.blocks():
            for name, variable in block.variables.items():
                values = np.asarray(variable.values)
                raw = repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()
                parts[str(name)] = parts.get(str(name), b"") + raw
    return parts


def subjects_of(folder: Path, only: str, registry: Registry) -> Iterator[Subject]:
    for name, write, bounds, model in _inputs():
        if only and only not in name:
            continue
        source = folder / name
        try:
            write(source)
        except ImportError:
            continue
        target = folder / f"{name}.bal"
        training = {"epochs": 2, "seconds": 2}
        api.compress(source, target, bounds=bounds, model=model, training=training, block_bytes=20_000)
        yield Subject(name, target.read_bytes(), restored_values(target, registry), "".join(source.suffixes))


def _inputs() -> Iterator[tuple[str, Callable[[Path], None], Any, Any]]:
    loss = {"*x": {"abs": 0.01}, "*u": {"rel": 1e-3}, "*": "lossless"}
    for model in ("scalar", "table", "transform", "predictive"):
        yield f"{model}.npz", _npz, loss, {"name": model, "effort": "fast"}
    yield "network.npz", _npz, loss, {"name": "table", "effort": "max", "network": "on"}
    yield "dense.npz", _normal, {"*": {"abs": 0.01}}, "dense_autoencoder"
    yield "conv.npz", _npz, loss, "conv_autoencoder"
    yield "variational.npz", _normal, {"*": {"abs": 0.01}}, "variational_autoencoder"
    flow = {"name": "normalizing_flow", "effort": "balanced", "hidden": [8, 8], "keep": True}
    yield "flow.npz", _normal, {"*": {"abs": 0.01}}, flow
    yield "edges.npz", _edges, {"n*": {"abs": 2}, "*": "lossless"}, "auto"
    yield "a.npy", lambda path: np.save(path, np.arange(60.0).reshape(4, 15)), "lossless", "auto"
    files = {
        "a.csv": _csv, "a.ecsv": _ecsv, "a.csv.gz": _csv_in_gzip, "a.root": _root, "trees.root": _trees, "a.h5": _hdf5,
        "block.h5": _user_block, "a.nc": _netcdf, "classic.nc": _classic, "a.fits": _fits, "a.fits.gz": _fits,
        "tiles.fits": _tiles, "a.parquet": _parquet, "a.feather": _feather, "a.zarr.zip": _zarr,
    }  # fmt: skip
    for name, write in files.items():
        yield name, write, loss, "scalar"


def _normal(path: Path) -> None:
    random = np.random.default_rng(1)
    np.savez(path, x=random.normal(size=300), y=random.normal(size=300))


def _npz(path: Path) -> None:
    random = np.random.default_rng(1)
    field = np.sin(np.arange(4 * 9 * 10) / 9).reshape(4, 9, 10)
    np.savez(
        path, x=random.normal(size=900), n=random.integers(0, 9, 900), u=field.astype("f4"), text=np.array(["a", "bc"])
    )


def _edges(path: Path) -> None:
    """No dimensions, no time, no values, and what is no real number."""
    times = np.array(["NaT", "2026-11-28", "1969-12-31"] * 6, "M8[s]")
    np.savez(
        path, point=np.array(2.5), now=times[1], never=times[0], n=np.arange(90.0), n_whole=np.arange(90, dtype=">i2"),
        times=times, days=times.astype(">M8[D]").reshape(3, 6), waits=np.diff(times), c=np.zeros((3, 0), "c8"),
        v=np.zeros((0, 4), "V3"), none=np.zeros(0), word=np.array("a word"), complex=np.exp(1j * np.arange(30.0)),
        raw=np.arange(30, dtype="u1").view("V3"), records=np.zeros(5, [("x", "f4"), ("when", "M8[s]")]),
    )  # fmt: skip


def _csv(path: Path) -> None:
    random = np.random.default_rng(1)
    rows = [f"{number},{x:.3f},{'' if number % 9 else 'star'}" for number, x in enumerate(random.normal(size=200))]
    path.write_text("id,x,name\n" + "\n".join(rows) + "\n")


def _csv_in_gzip(path: Path) -> None:
    plain = path.with_name("plain.csv")
    _csv(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def _ecsv(path: Path) -> None:
    from astropy.table import Table
    from astropy.units import Unit

    random = np.random.default_rng(1)
    table = Table({"id": np.arange(50), "x": random.normal(size=50) * Unit("m"), "name": ["a", "bc"] * 25})
    table.meta["observer"] = "somebody"
    table.write(path, format="ascii.ecsv")


def _root(path: Path) -> None:
    import awkward as ak
    import uproot

    random = np.random.default_rng(1)
    counts = random.integers(0, 4, 100)
    jets = ak.unflatten(random.exponential(20, int(counts.sum())).astype("f4"), counts)
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f4", "Jet_u": ak.type(jets).content})
        file["Events"].extend({"x": random.normal(size=100).astype("f4"), "Jet_u": jets})
        file["h"] = np.histogram(random.normal(size=99), bins=5)


def _trees(path: Path) -> None:
    import uproot

    random = np.random.default_rng(1)
    with uproot.recreate(path) as file:
        for tree in ("Events", "sub/Runs"):
            file.mktree(tree, {"x": "f8", "n": "i4"})
            file[tree].extend({"x": random.normal(size=30), "n": np.arange(30, dtype="i4")})
        file["note"] = "a text"
        file["sub/h"] = np.histogram(random.normal(size=99), bins=5)


def _user_block(path: Path) -> None:
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = np.random.default_rng(1).normal(size=(20, 3))
        file["again"] = file["x"]
    data = bytearray(path.read_bytes())
    data[:9] = b"a preface"
    path.write_bytes(bytes(data) + b"more")


def _classic(path: Path) -> None:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 6)
        file.createVariable("u", "f4", ("time", "x"))[:] = np.random.default_rng(1).normal(size=(5, 6))
        file.history = "made"


def _hdf5(path: Path) -> None:
    import h5py

    random = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "a title"
        file.create_dataset("flow/u", data=random.normal(size=(5, 6, 7)), compression="gzip", chunks=(1, 6, 7))
        file["flow"].attrs["dt"] = np.arange(3.0)
        file["x"] = random.normal(size=50)
        file["records"] = np.zeros(4, [("a", "f4"), ("b", "i8", (2,))])
        file["names"] = ["one", "two"]
        file["soft"] = h5py.SoftLink("/x")
        file["outside"] = h5py.ExternalLink("victim.h5", "/x")


def _netcdf(path: Path) -> None:
    import netCDF4

    random = np.random.default_rng(1)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("y", 5), ("x", 6)):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "days since 2000-01-01"
        time[:] = np.arange(4)
        packed = file.createVariable("u", "i2", ("time", "y", "x"), fill_value=-1)
        packed.scale_factor, packed.add_offset = 0.1, 5.0
        packed[:] = random.normal(size=(4, 5, 6))


def _fits(path: Path) -> None:
    from astropy.io import fits

    random = np.random.default_rng(1)
    columns = [
        fits.Column("x", "D", array=random.normal(size=40)),
        fits.Column("name", "5A", array=np.array(["a", "bc"] * 20)),
        fits.Column("list", "PE()", array=np.array([np.arange(n % 4, dtype="f4") for n in range(40)], object)),
    ]
    image = fits.PrimaryHDU(random.normal(size=(8, 9)).astype("f4"))
    fits.HDUList([image, fits.BinTableHDU.from_columns(columns)]).writeto(path)


def _tiles(path: Path) -> None:
    from astropy.io import fits

    image = np.random.default_rng(1).normal(100, 5, (24, 20))
    packed = fits.CompImageHDU((image * 10).astype("i2"), compression_type="RICE_1", tile_shape=(8, 20))
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path)


def _arrow() -> Any:
    import pyarrow as pa

    random = np.random.default_rng(1)
    lists = pa.array([None if n % 7 == 0 else [float(n)] * (n % 4) for n in range(200)], pa.list_(pa.float32()))
    return pa.table(
        {
            "x": pa.array(random.normal(size=200), mask=random.random(200) < 0.1),
            "code": pa.array(["a", "b"] * 100).dictionary_encode(),
            "text": ["one", None] * 100,
            "l_x": lists,
            "s": pa.array([{"x": n, "m": [("k", n)]} for n in range(200)], pa.struct([("x", pa.int16()), ("m", pa.map_(pa.string(), pa.int32()))])),
        }
    )  # fmt: skip


def _parquet(path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_arrow(), path, row_group_size=90)


def _feather(path: Path) -> None:
    from pyarrow import feather

    feather.write_feather(_arrow(), path, chunksize=90)


def _zarr(path: Path) -> None:
    import warnings

    import zarr
    from zarr.storage import ZipStore

    random = np.random.default_rng(1)
    with warnings.catch_warnings(), ZipStore(path, mode="w") as store:
        warnings.simplefilter("ignore")
        group = zarr.open_group(store, mode="w", attributes={"title": "t"})
        made = group.create_array("u", shape=(20, 9), chunks=(8, 9), dtype="f4", dimension_names=("t", "y"))
        made[:8] = random.normal(size=(8, 9))
        group.create_array("n/text", shape=(3,), chunks=(2,), dtype=str)[:] = ["a", "bb", "c"]
