"""Records of a `.bal` file that a stranger changed, and damaged files: one sentence or a file, nothing else."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import baler_core
from baler_core.testing import check_hostile_reader, check_object_kind, check_reader
from baler_core.testing.damage import damaged
from baler_parquet.objects.arrow_tables import ArrowTables
from baler_parquet.reader import ArrowReader, ParquetReader

from .arrow_tables import everything, nested

ODD = ("parquet", "file", "stream", "zstd", "2.4", "0|null", "0#0", [[0, True, False]], [1, 2, 3])


@pytest.mark.parametrize("name", ["table.parquet", "table.feather"])
def test_changed_records_give_one_sentence_or_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pq.write_table(everything(), path, row_group_size=3)
    else:
        feather.write_feather(everything(), path, chunksize=3)
    (tmp_path / "out").mkdir()
    reader = ParquetReader() if name.endswith(".parquet") else ArrowReader()
    given = check_hostile_reader(reader, path, tmp_path / "out", cases=100, odd=ODD)
    assert 0 < given < 100


@pytest.mark.parametrize("name", ["table.parquet", "table.feather"])
def test_a_full_disk_is_no_damage(name: str, tmp_path: Path) -> None:
    write = pq.write_table if name.endswith(".parquet") else feather.write_feather
    write(pa.table({"x": np.random.default_rng(1).normal(size=20_000)}), tmp_path / name)
    baler_core.compress(tmp_path / name, tmp_path / "a.bal", bounds="lossless", model="scalar")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            baler_core.decompress(tmp_path / "a.bal", tmp_path / f"b{name}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bal", name]


def test_readers_pass_the_checks_of_the_kit(tmp_path: Path) -> None:
    pq.write_table(everything(), tmp_path / "a.parquet", row_group_size=3)
    feather.write_feather(everything(), tmp_path / "a.feather", chunksize=3)
    (tmp_path / "out").mkdir()
    check_reader(ParquetReader(), tmp_path / "a.parquet", tmp_path / "out")
    check_reader(ArrowReader(), tmp_path / "a.feather", tmp_path / "out")


def test_forged_tables_in_memory_raise(tmp_path: Path) -> None:
    check_object_kind(ArrowTables(), pa.table(nested()))


@pytest.mark.parametrize("name", ["table.parquet", "table.feather", "table.arrows"])
def test_damaged_files_are_refused_in_one_sentence_or_read(name: str, tmp_path: Path) -> None:
    path, table = tmp_path / name, pa.table(nested())
    if name.endswith(".parquet"):
        pq.write_table(table, path)
    elif name.endswith(".feather"):
        feather.write_feather(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    raw, random = path.read_bytes(), np.random.default_rng(3)
    said = []
    for _ in range(40):
        path.write_bytes(damaged(raw, random))
        reader = ParquetReader() if name.endswith(".parquet") else ArrowReader()
        try:
            with reader.open(path) as source:
                assert all(block.variables for block in source.blocks(1 << 20))
        except baler_core.DataError as error:
            said.append(str(error))
    assert said
    assert all(path.name in one and "\n" not in one for one in said)


def test_metadata_that_would_end_the_process_are_refused(tmp_path: Path) -> None:
    """pyarrow does not check what it tells of columns; with such a codec, asking for it ends the process."""
    path = tmp_path / "codec.parquet"
    pq.write_table(pa.table({"x": np.arange(100.0)}), path, compression="zstd", use_dictionary=False)
    raw = path.read_bytes()
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    # Codec 6 (field 4, zigzag 12) after the path "x" becomes 45, which there is not.
    assert raw.count(b"\x18\x01x\x15\x0c", footer) == 1
    path.write_bytes(raw[:footer] + raw[footer:].replace(b"\x18\x01x\x15\x0c", b"\x18\x01x\x15\x5a"))
    code = "import sys, pathlib; from baler_parquet.reader import ParquetReader; ParquetReader().open(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "DataError" in done.stderr.splitlines()[-1]
    assert "codec.parquet: cannot be read as Parquet" in done.stderr


def test_statistics_that_deny_nulls_are_found_out(tmp_path: Path) -> None:
    """A file whose statistics say that there are no nulls where there are some gives no wrong values."""
    path = tmp_path / "lying.parquet"
    pq.write_table(pa.table({"x": pa.array([None] * 1234 + [1.0] * 5)}), path, use_dictionary=False, compression="none")
    raw = path.read_bytes()
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    # The count of nulls is a zigzag number in the statistics: 1234 is written as 2468, 0xa4 0x13.
    assert raw.count(b"\xa4\x13", footer)
    path.write_bytes(raw[:footer] + raw[footer:].replace(b"\xa4\x13", b"\x80\x00", 1))
    with pytest.raises(baler_core.DataError, match=r"lying\.parquet.*nulls"):
        baler_core.compress(path, tmp_path / "x.bal")
    assert not (tmp_path / "x.bal").exists()


def test_text_that_is_none_is_refused_with_its_column(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"a"]).buffers())
    pq.write_table(pa.table({"name": bad}), tmp_path / "latin.parquet")
    with pytest.raises(baler_core.DataError, match=r"latin\.parquet.*'name'.*UTF-8"):
        baler_core.compress(tmp_path / "latin.parquet", tmp_path / "x.bal")
    assert not (tmp_path / "x.bal").exists()
