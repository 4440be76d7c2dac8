"""The core's components at the edges of number types and in hostile hands, by the checks that plugin authors use."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from baler_core.builtin.models.scalar import ScalarModel
from baler_core.builtin.readers.csv.files import CsvReader
from baler_core.builtin.readers.numpy.files import NpyReader, NpzReader
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout
from baler_core.entropy.varint import write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Streams, Tolerances, Training
from baler_core.plugin.reading import Reader
from baler_core.plugin.registry import load_plugins
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.residual import decode_residual
from baler_core.testing import check_edges, check_hostile_model, check_hostile_reader, check_object_kind
from baler_core.testing.damage import ODD, forge

MODELS: dict[str, dict[str, Any]] = {
    "scalar": {"effort": "fast"},
    "table": {"effort": "fast"},
    "transform": {"effort": "fast"},
    "predictive": {"effort": "fast"},
    "dense_autoencoder": {"hidden": (8,)},
    "conv_autoencoder": {"channels": (4, 4)},
    "variational_autoencoder": {"hidden": (8,), "latents": 2},
    "normalizing_flow": {"effort": "balanced", "hidden": (4, 4), "keep": True},
}


def made(name: str) -> Any:
    kind = load_plugins().model(name)
    return kind(kind.Options(**MODELS.get(name, {})))


@pytest.mark.parametrize("name", MODELS)
def test_models_keep_tolerances_at_the_edges_of_every_number_type(name: str) -> None:
    check_edges(made(name), training=Training(epochs=1))


@pytest.mark.parametrize("name", [*MODELS, "exact"])
def test_models_survive_damaged_streams_and_states(name: str) -> None:
    check_hostile_model(made(name), cases=20 if name.endswith("autoencoder") else 60)


def csv(path: Path) -> None:
    path.write_text("# about\nid,x,name\n" + "".join(f"{n},{n / 7:.3f},{'' if n % 3 else 'a b'}\n" for n in range(40)))


READERS: dict[str, tuple[type[Reader], Callable[[Path], object]]] = {
    "a.npy": (NpyReader, lambda path: np.save(path, np.arange(60.0).reshape(4, 15))),
    "a.npz": (NpzReader, lambda path: np.savez(path, x=np.arange(9.0), t=np.array(["a", "bc"]), n=np.ones((3, 4), "i2"))),
    "a.csv": (CsvReader, csv),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_readers_survive_forged_skeletons(name: str, tmp_path: Path) -> None:
    reader, write = READERS[name]
    write(tmp_path / name)
    (tmp_path / "out").mkdir()
    check_hostile_reader(reader(), tmp_path / name, tmp_path / "out")


RECORDS = np.zeros(4, [("a", "<f4"), ("b", ">i2", (3,)), ("when", "M8[s]")])
OBJECTS = {
    "numpy": {"x": np.arange(5.0), "m": np.ma.array([1, 2], mask=[0, 1]), "r": RECORDS, "t": np.array(["a", None], object)},
    "pandas": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}),
    "xarray": xr.Dataset({"u": (("y", "x"), np.ones((2, 3)), {"units": "m"})}, {"x": [1, 2, 3]}, {"title": "t"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_survive_forgeries(name: str) -> None:
    check_object_kind(load_plugins().object_kind(name)(), OBJECTS[name])


# ---- the checks notice what they are for


def test_a_model_of_other_shapes_is_caught() -> None:
    class Careless(ScalarModel):
        name = "careless"

        def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
            sys.exit("as a crash would")

    with pytest.raises(SystemExit):
        check_hostile_model(Careless(), cases=5)


def test_a_reader_that_writes_where_it_is_told_is_caught(tmp_path: Path) -> None:
    class Obedient(NpyReader):
        name = "obedient"

        def create(self, path: Path, schema: Any) -> Any:
            (path.parent / "beside").write_bytes(b"")
            return super().create(path, schema)

    np.save(tmp_path / "a.npy", np.arange(5.0))
    (tmp_path / "out").mkdir()
    with pytest.raises(AssertionError, match="other files were written"):
        check_hostile_reader(Obedient(), tmp_path / "a.npy", tmp_path / "out", cases=2)


def test_a_model_beyond_its_tolerance_is_corrected_and_one_without_all_values_is_caught() -> None:
    class Zero(ScalarModel):
        name = "zero"

        def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
            return layout.build({v.name: np.zeros(layout.shape(v), v.numpy_dtype) for v in layout.variables})

    check_edges(Zero())


# ---- what fuzzing found


def test_a_residual_with_a_short_head_is_refused() -> None:
    with pytest.raises(FormatError, match="9"):
        decode_residual(b"\1" + write_sized(b"12345678"), np.zeros(3), Tolerance("abs", 1.0), np.dtype("f8"))


@pytest.mark.parametrize(("step", "merge"), [(1e300, 1), (0.5, 1), (2.0**40, 2**30 + 1)])
def test_lattices_of_impossible_steps_are_refused(step: float, merge: int) -> None:
    stored = bytes([0, 0b101]) + struct.pack("<d", step) + write_varint(zigzag(merge))
    with pytest.raises(FormatError, match="steps of"):
        Lattice.from_bytes(stored, "<i8")


def test_an_archive_of_two_arrays_of_one_name_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3.0), y=np.arange(3.0))
    with NpzReader().open(tmp_path / "a.npz") as source:
        schema = source.schema
    schema.skeleton["arrays"][1] = schema.skeleton["arrays"][0]
    with pytest.raises(FormatError, match="one name"):
        NpzReader().create(tmp_path / "b.npz", schema)


def test_forging_changes_the_record_alone() -> None:
    before, random = repr(ODD), np.random.default_rng(1)
    for _ in range(300):
        record: Any = {"a": [1, {"b": []}], "c": "text"}
        for _ in range(6):
            forge(record, random)
        json.dumps(record)  # no part of itself
    assert repr(ODD) == before
