"""The fuzzing target `files`: whole .bal files of every reader, damaged by chance or forged with right checksums.

What is damaged must be refused with a FormatError or restore to what it was; what is forged may restore to anything. Both
must raise nothing but the project's own errors, of one line, write nothing but the file that was asked for, and change no
other file.
"""

from __future__ import annotations

import copy
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case

import baler_core
from baler_core import BalerError
from baler_core.api import calls as api
from baler_core.format.container import BalReader, BalWriter
from baler_core.format.digests import GROUP_DIGEST_BYTES
from baler_core.format.file_info import read_info
from baler_core.format.streams import pack_streams, unpack_streams
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.decompression import decompress
from baler_core.plugin.registry import Registry, load_plugins
from baler_core.testing.damage import damaged, forge

_MEMORY = 100_000_000


@dataclass(frozen=True)
class Subject:
    """A .bal file, and what it restores to."""

    name: str
    data: bytes
    values: dict[str, bytes]
    suffix: str


def files(only: str, seed: int) -> Case:
    """Cases that open, restore or describe what has been damaged or forged."""
    registry = load_plugins()
    folder = tempfile.TemporaryDirectory()
    subjects = list(_subjects(Path(folder.name), only, registry))
    kinds: list[Callable[[Subject, np.random.Generator, list[Subject]], bytes]] = [_cut, _flipped]
    forgeries = [_other_header, _other_section, _other_streams, _moved]

    def case(random: np.random.Generator) -> str:
        subject = subjects[int(random.integers(len(subjects)))]
        honest = random.random() < 0.3
        chosen = kinds if honest else forgeries
        data = chosen[int(random.integers(len(chosen)))](subject, random, subjects)
        with tempfile.TemporaryDirectory(dir=folder.name) as place:
            return _used(subject, data, Path(place), random, registry, honest=honest and data != subject.data)

    case.folder = folder  # type: ignore[attr-defined]
    return case


def _used(
    subject: Subject, data: bytes, place: Path, random: np.random.Generator, registry: Registry, *, honest: bool
) -> str:
    """Do what a user might do with the file; how it ended."""
    path, target, victim = place / "x.bal", place / f"restored{subject.suffix}", place / "victim.h5"
    path.write_bytes(data)
    victim.write_bytes(b"somebody else's")
    what = int(random.integers(4))
    try:
        if what == 0:
            read_info(path)
        elif what == 3:
            _parts_of(path, random)
        elif what == 1:
            found = _values(path, registry)
            assert not honest or found == subject.values, "damaged, and restored to something else"
        else:
            decompress(path, registry, output=target, memory=_MEMORY)
    except BalerError as error:
        if "\n" in str(error) or target.exists():
            raise AssertionError(f"half a file, or a message of several lines: {error}") from error
        return "refused"
    finally:
        assert victim.read_bytes() == b"somebody else's", "another file was changed"
        strange = {p.name for p in place.iterdir()} - {path.name, target.name, victim.name}
        assert not strange, f"strange files: {strange}"
    return "restored"


def _parts_of(path: Path, random: np.random.Generator) -> None:
    """Read parts of some variables."""
    with baler_core.open_one(path, cache="1 MB", memory=_MEMORY) as file:
        for name in random.permutation(list(file))[:3]:
            array = file[str(name)]
            low = [int(random.integers(length + 1)) for length in array.shape]
            part = array[tuple(slice(start, start + 7) for start in low)]
            assert part.ndim == array.ndim
            if array.leading_dim is not None:
                array.rows(0, min(3, file.sizes[array.leading_dim]))


def _values(path: Path, registry: Registry) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    with BalFile(path, registry, memory=_MEMORY) as stored:
        stored.schema()
        for block in stored.blocks():
            for name, variable in block.variables.items():
                values = np.asarray(variable.values)
                raw = repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()
                parts[str(name)] = parts.get(str(name), b"") + raw
    return parts


# ---- damage by chance


def _cut(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    return subject.data[: int(random.integers(len(subject.data)))]


def _flipped(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    data = bytearray(subject.data)
    for _ in range(int(random.integers(1, 4))):
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    return bytes(data)


# ---- forgeries: every checksum of the container is right


def _other_header(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    for _ in range(int(random.integers(1, 4))):
        forge(header, random)
    return _written(sections, header)


def _other_section(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    if not sections:
        return subject.data
    number = int(random.integers(len(sections)))
    sections[number] = damaged(sections[number], random)
    return _written(sections, header)


def _other_streams(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    if not header["blocks"][1]:
        return subject.data
    number = header["blocks"][0]
    before = GROUP_DIGEST_BYTES * len(header["blocks"][1][0][1][0])
    groups = unpack_streams(sections[number][before:], memory_limit=_MEMORY)
    group = groups[int(random.integers(len(groups)))]
    if not group:
        return subject.data
    name = sorted(group)[int(random.integers(len(group)))]
    if random.random() < 0.1:
        del group[name]
    else:
        group[name] = damaged(group[name], random)
    sections[number] = sections[number][:before] + pack_streams(groups)
    return _written(sections, header)


def _moved(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    """Sections in each other's place, left out, twice, or of another file."""
    sections, header = _parts(subject.data)
    foreign = _parts(others[int(random.integers(len(others)))].data)[0]
    pool = [*sections, *foreign]
    if not pool:
        return subject.data
    order = [int(random.integers(len(pool))) if random.random() < 0.5 else n for n in range(len(sections))]
    kept = [pool[n] for n in order]
    return _written(kept[: int(random.integers(len(kept) + 1))] if random.random() < 0.2 else kept, header)


def _parts(data: bytes) -> tuple[list[bytes], Any]:
    with tempfile.NamedTemporaryFile(suffix=".bal") as file:
        file.write(data)
        file.flush()
        with BalReader(Path(file.name)) as stored:
            return [stored.section(n) for n in range(len(stored.sections) - 1)], copy.deepcopy(stored.header)


def _written(sections: list[bytes], header: Any) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".bal") as file:
        writer = BalWriter(file)  # type: ignore[arg-type]
        for section in sections:
            writer.add(section)
        try:
            writer.finish(header)
        except UnicodeEncodeError:  # a lone surrogate: JSON with escapes instead
            return _written(sections, json.loads(json.dumps(header).replace("\\ud800", "?")))
        file.flush()
        return Path(file.name).read_bytes()


# ---- subjects


def _subjects(folder: Path, only: str, registry: Registry) -> Iterator[Subject]:
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
        yield Subject(name, target.read_bytes(), _values(target, registry), "".join(source.suffixes))


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
