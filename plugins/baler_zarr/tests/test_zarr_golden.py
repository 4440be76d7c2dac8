"""Files that an earlier version wrote must always be restored; `python test_zarr_golden.py` wrote them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

import baler_core

HERE = Path(__file__).parent / "golden"


@pytest.mark.parametrize("form", [2, 3])
def test_the_golden_files_are_restored(form: int, tmp_path: Path) -> None:
    target = tmp_path / "restored.zarr.zip"
    baler_core.decompress(HERE / f"store{form}-0.1.0.bal", target)
    with zipfile.ZipFile(HERE / f"original{form}.zarr.zip") as before, zipfile.ZipFile(target) as after:
        assert set(before.namelist()) == set(after.namelist())
        for name in before.namelist():
            if name.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "README")):
                assert before.read(name) == after.read(name), name
    with ZipStore(HERE / f"original{form}.zarr.zip", mode="r") as one, ZipStore(target, mode="r") as other:
        for name in ("hole", "never", "big", "truth", "t", "large"):
            values = [zarr.open_array(store, path=name, mode="r")[...] for store in (one, other)]
            assert values[0].tobytes() == values[1].tobytes(), name
        x, y = (zarr.open_array(store, path="x", mode="r")[...] for store in (one, other))
        assert (np.isnan(x) == np.isnan(y)).all()
        assert 0 < np.nanmax(np.abs(x - y)) <= 0.3


if __name__ == "__main__":
    import tempfile

    from zarr_stores import make_store

    for form in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            made = make_store(Path(folder) / "a.zarr", form)
            original = HERE / f"original{form}.zarr.zip"
            with zipfile.ZipFile(original, "w") as packed:
                for place in sorted(made.rglob("*")):
                    if place.is_file():
                        packed.write(place, place.relative_to(made).as_posix())
        bounds = {"x": {"abs": 0.3}, "*": "lossless"}
        baler_core.compress(original, HERE / f"store{form}-0.1.0.bal", bounds=bounds, model="scalar")
