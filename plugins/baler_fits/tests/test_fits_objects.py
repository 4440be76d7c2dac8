"""astropy's tables and quantities come back with units, masks, meta, times and coordinates, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked

import baler_core
from baler_core import DataError
from baler_core.plugin.registry import load_plugins
from baler_core.testing import check_object_kind

N = 5


def catalogue() -> Table:
    return Table(
        {
            "ra": Column(np.linspace(0, 1, N), unit="deg", description="right", format=".3f", meta={"ucd": "pos"}),
            "id": np.arange(N) + 2**60,
            "mag": MaskedColumn([1.0, 2, 3, 4, 5], mask=[0, 1, 0, 0, 1], unit="mag"),
            "n": MaskedColumn([1, 2, 3, 4, 5], mask=[0, 1, 0, 0, 1], fill_value=-1),
            "name": ["a", "bb", "", "d", "e"],
            "code": np.array([b"a"] * N),
            "spectrum": np.arange(N * 3.0).reshape(N, 3),
            "good": [True] * N,
            "note": MaskedColumn(["long"] * N, mask=[1, 0, 0, 0, 0]),
            "text": Column(["x"] * N, dtype=object),
            "big": np.arange(N, dtype=">f4"),
        },
        meta={"name": "cat", "n": 3, "comments": ["a", "b"]},
    )


def quantities() -> QTable:
    return QTable(
        {
            "flux": np.arange(N) * units.Jy,
            "t": Time(np.linspace(59000, 59001, N), format="mjd"),
            "c": SkyCoord(np.arange(N) * units.deg, np.arange(N) * units.deg),
            "x": np.arange(N),
            "rate": np.arange(N) * units.cm**-2 / units.s,
        }
    )


TABLES = {
    "catalogue": catalogue,
    "quantities": quantities,
    "no rows": lambda: catalogue()[:0],
    "masked": lambda: Table({"a": [1.0, 2.0]}, masked=True),
    "times": lambda: Table({"t": Time([59000.0, 59001.25], format="mjd")}),
    "masked quantities": lambda: QTable({"q": Masked([1.0, 2.0] * units.Jy, mask=[True, False])}),
    "indices": lambda: _indexed(Table({"a": [3, 1, 2], "b": [1.0, 2.0, 3.0]})),
}


def _indexed(table: Table) -> Table:
    table.add_index("a")
    table.add_index(["a", "b"], unique=True)
    return table


def returned(data: Any, path: Path, **more: Any) -> Any:
    more = {"bounds": "lossless", "model": "scalar"} | more
    baler_core.compress(data, path / "x.bal", **more)
    return baler_core.open(path / "x.bal")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_returns_as_it_was(name: str, tmp_path: Path) -> None:
    before = TABLES[name]()
    after = returned(before, tmp_path)
    assert type(before) is type(after)
    assert before.colnames == after.colnames
    assert dict(before.meta) == dict(after.meta)
    assert before.masked == after.masked
    assert [index.id for index in before.indices] == [index.id for index in after.indices]
    for key in before.colnames:
        one, other = before[key], after[key]
        assert type(one) is type(other)
        assert str(one) == str(other)
        for part in ("unit", "description", "format", "meta"):
            assert (getattr(one.info, part) or None) == (getattr(other.info, part) or None)
        if isinstance(one, Column | MaskedColumn | units.Quantity):
            assert one.dtype.str == other.dtype.str
        if isinstance(one, MaskedColumn):
            np.testing.assert_array_equal(one.mask, other.mask)
            assert one.fill_value == other.fill_value


def test_times_keep_every_digit(tmp_path: Path) -> None:
    after = returned(quantities(), tmp_path, bounds={"flux": {"abs": 0.1}, "*": "lossless"})
    assert (after["t"].jd1 == quantities()["t"].jd1).all()
    assert (after["t"].jd2 == quantities()["t"].jd2).all()
    assert np.abs((after["flux"] - quantities()["flux"]).to_value("Jy")).max() <= 0.1


def test_a_quantity_returns_with_its_unit(tmp_path: Path) -> None:
    after = returned(np.arange(6.0).reshape(2, 3) * units.m / units.s, tmp_path)
    assert type(after) is units.Quantity
    assert after.unit == units.m / units.s
    assert baler_core.open(tmp_path / "x.bal", as_="xarray")["data"].attrs["units"] == "m / s"


def test_a_table_may_be_had_as_one_of_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    returned(catalogue()["ra", "id"], tmp_path)
    assert baler_core.open(tmp_path / "x.bal", as_="pandas")["id"].tolist() == catalogue()["id"].tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Table({"a": np.array([{}, 1], object)}), "'a' .* dict"),
        (Table({"a": [1]}, meta={"x": object()}), "the meta of the table is of type object"),
        (Table({"a": Column([1.0], unit=units.def_unit("zorg"))}), "'zorg' of 'a'"),
        (Table(), "no arrays"),
        (Time(["2020-01-01"]), "Time"),
    ],
)
def test_what_cannot_be_held_is_refused_by_name(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        baler_core.compress(data, tmp_path / "x.bal")
    assert not list(tmp_path.iterdir())


def test_tables_stand_the_checks_of_the_core() -> None:
    check_object_kind(load_plugins().object_kind("astropy")(), catalogue())
