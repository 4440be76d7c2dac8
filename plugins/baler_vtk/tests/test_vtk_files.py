"""Files of VTK in every form come back: the same text, exact arrays bit for bit, lossy ones within their bounds."""

from __future__ import annotations

import base64
import itertools
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import DataError
from baler_core.testing import check_hostile_reader
from baler_vtk.reader import VtkReader
from baler_vtk.source import VtkSource
from baler_vtk.values.coding import BLOCK

RNG = np.random.default_rng(3)
T = (np.sin(np.arange(5 * 6 * 7) / 9) * 10).astype("f4")
U = RNG.normal(size=(5 * 6 * 7, 3))
Q = RNG.integers(-5, 5, 4 * 5 * 6, dtype="i2")


def coded(values: np.ndarray, order: str, header: str, *, packed: bool, squeezed: bool) -> bytes:
    """Numbers as VTK writes them, in blocks of 1000 bytes."""
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if not squeezed:
        whole = np.array([len(raw)], order + header).tobytes() + raw
        return base64.b64encode(whole) if packed else whole
    blocks = [zlib.compress(raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    head = np.array([len(blocks), 1000, len(raw) % 1000, *map(len, blocks)], order + header).tobytes()
    body = b"".join(blocks)
    return base64.b64encode(head) + base64.b64encode(body) if packed else head + body


def grid(path: Path, form: str, order: str = "<", header: str = "u4", *, squeezed: bool = False) -> Path:
    """Write an image of 7 x 6 x 5 points: `ascii`, `binary`, `base64` or `raw`."""
    arrays = {"T": T, "U": U, "Q": Q}
    kinds = {"f4": "Float32", "f8": "Float64", "i2": "Int16"}
    tags, blob = {}, b""
    for name, values in arrays.items():
        about = (
            f'type="{kinds[values.dtype.str[1:]]}" Name="{name}" NumberOfComponents="{1 if values.ndim == 1 else 3}"'
        )
        inner = b'\n <InformationKey name="r" location="x"><Value index="0"> 1 </Value></InformationKey>\n'
        if form == "ascii":
            text = " ".join(str(one) for one in values.ravel())
            tags[name] = f'<DataArray {about} format="ascii">\n {text}\n'.encode() + inner + b"</DataArray>"
        elif form == "binary":
            content = coded(values, order, header, packed=True, squeezed=squeezed)
            tags[name] = f'<DataArray {about} format="binary">\n   '.encode() + content + inner + b"</DataArray>"
        else:
            tags[name] = f'<DataArray {about} format="appended" offset="{len(blob)}"/>'.encode()
            blob += coded(values, order, header, packed=form == "base64", squeezed=squeezed)
    end = "LittleEndian" if order == "<" else "BigEndian"
    method = ' compressor="vtkZLibDataCompressor"' if squeezed else ""
    words = {"u4": "UInt32", "u8": "UInt64"}[header]
    text = b"".join(
        [
            f'<?xml version="1.0"?>\n<VTKFile type="ImageData" byte_order="{end}" header_type="{words}"{method}>\n'.encode(),
            b'<ImageData WholeExtent="0 6 0 5 0 4"><!-- <DataArray> --><Piece Extent="0 6 0 5 0 4"><PointData>',
            tags["T"] + tags["U"],
            b"</PointData><CellData>" + tags["Q"] + b"</CellData></Piece></ImageData>\n",
        ]
    )
    if blob:
        text += f'<AppendedData encoding="{form}">\n _'.encode() + blob + b"\n</AppendedData>\n"
    path.write_bytes(text + b"</VTKFile>\n")
    return path


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    with VtkSource(path, None) as source:
        (*blocks,) = source.blocks(1 << 30)
    return {name: np.asarray(v.values) for block in blocks for name, v in block.variables.items()}


FORMS = [("ascii", "<", "u4", False)]
FORMS += list(itertools.product(("binary", "base64", "raw"), ("<", ">"), ("u4", "u8"), (False, True)))


@pytest.mark.parametrize(("form", "order", "header", "squeezed"), FORMS)
def test_every_form_is_read(tmp_path: Path, form: str, order: str, header: str, squeezed: bool) -> None:
    path = grid(tmp_path / "a.vti", form, order, header, squeezed=squeezed)
    found = arrays_of(path)
    assert found["PointData/T"].shape == (5, 6, 7)
    assert found["PointData/U"].shape == (5, 6, 7, 3)
    assert found["CellData/Q"].shape == (4, 5, 6)
    for name, values in (("PointData/T", T), ("PointData/U", U), ("CellData/Q", Q)):
        np.testing.assert_array_equal(found[name].ravel(), values.ravel())
    schema = VtkSource(path, None).schema
    sink = VtkReader().create(tmp_path / "b.vti", schema)
    for block in VtkSource(path, None).blocks(2000):
        sink.write(block)
    sink.close()
    restored = arrays_of(tmp_path / "b.vti")
    assert all(np.array_equal(restored[name], found[name]) for name in found)
    if not squeezed and form != "ascii":
        assert b"".join((tmp_path / "b.vti").read_bytes().split()) == b"".join(path.read_bytes().split())


def test_bounds_hold_for_a_mesh(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio")
    points, cells = RNG.random((500, 3)), RNG.integers(0, 500, (800, 3))
    data = {"T": np.sin(points[:, 0] * 9), "U": points * 2}
    mesh = meshio.Mesh(points, [("triangle", cells)], point_data=data)
    mesh.write(tmp_path / "a.vtu", compression="zlib")
    fast = {"name": "auto", "effort": "fast"}
    done = baler_core.compress(tmp_path / "a.vtu", tmp_path / "a.bal", bounds={"*": {"abs": 0.01}}, model=fast)
    assert "Points/Points" not in done.errors  # positions, which no wildcard touches
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtu")
    restored = meshio.read(tmp_path / "b.vtu")
    np.testing.assert_array_equal(restored.points, points)
    np.testing.assert_array_equal(restored.cells[0].data, cells)
    for name, values in data.items():
        assert 0 < np.abs(restored.point_data[name] - values).max() <= 0.01


LEGACY = b"""# vtk DataFile Version 3.0
a title
ASCII
DATASET STRUCTURED_POINTS
DIMENSIONS 3 2 1
ORIGIN 0 0 0
SPACING 1 1 1
POINT_DATA 6
SCALARS T%20in double 1
LOOKUP_TABLE default
0.5 1 1.5
2 2.5 3
VECTORS U float
1 0 0  0 1 0  0 0 1  1 1 0  0 1 1  1 0 1
METADATA
INFORMATION 0

CELL_DATA 2
FIELD attributes 1
q 1 2 int
7 -8
"""


def test_grids_of_the_older_format_return(tmp_path: Path) -> None:
    path = tmp_path / "a.vtk"
    path.write_bytes(LEGACY)
    found = arrays_of(path)
    assert {name: values.shape for name, values in found.items()} == {
        "PointData/T in": (1, 2, 3),
        "PointData/U": (1, 2, 3, 3),
        "CellData/q": (1, 1, 2),
    }
    np.testing.assert_array_equal(found["PointData/T in"].ravel(), [0.5, 1, 1.5, 2, 2.5, 3])
    np.testing.assert_array_equal(found["CellData/q"].ravel(), [7, -8])
    baler_core.compress(path, tmp_path / "a.bal")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtk")
    restored = arrays_of(tmp_path / "b.vtk")
    assert all(np.array_equal(restored[name], found[name]) for name in found)
    path.write_bytes(LEGACY.replace(b"q 1 2 int", b"q 1 2 variant"))
    with pytest.raises(DataError, match="of the type 'variant'"):
        VtkReader().open(path)
    path.write_bytes(LEGACY[:-8])
    with pytest.raises(DataError, match="damaged"):
        VtkReader().open(path)


def test_files_compressed_with_lz4_return(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    codec = pyarrow.Codec("lz4_raw")
    monkeypatch.setattr(zlib, "compress", lambda piece: bytes(codec.compress(piece)))
    path = grid(tmp_path / "a.vti", "raw", squeezed=True)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes().replace(b"vtkZLib", b"vtkLZ4"))
    found = arrays_of(path)
    np.testing.assert_array_equal(found["PointData/U"].ravel(), U.ravel())
    baler_core.compress(path, tmp_path / "a.bal", model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vti")
    assert b"vtkLZ4DataCompressor" in (tmp_path / "b.vti").read_bytes()
    restored = arrays_of(tmp_path / "b.vti")
    assert all(np.array_equal(restored[name], found[name]) for name in found)
    data = path.read_bytes()
    path.write_bytes(data[:-2000] + bytes(1900) + data[-100:])
    with pytest.raises(DataError, match="damaged"):
        VtkReader().open(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="LZ4 needs pyarrow"):
        VtkReader().open(path)


ODD = b"""# vtk DataFile Version 3.0
numbers behind their keywords, texts, bits and ids
%s
DATASET POLYDATA
FIELD FieldData 2
names 1 3 string
%s
n 1 2 signed_char
%s
POINTS 3 float%s
LINES 1 4 %s
POINT_DATA 3
PEDIGREE_IDS ids int
%s
SCALARS on bit
LOOKUP_TABLE default
%s
"""
AS_TEXT = (
    b"ASCII",
    b"a%20b\n\n7 8 9 string",
    b"1 -2",
    b" 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0 0.5",
    b"3 0 1 2",
    b"100 -2 70",
    b"1 0 1",
)
AS_BYTES = (
    b"BINARY",
    b"\xc3a b\xc0\x80\x46" + b"x" * 70,
    b"\1\xfe",
    b"\n" + np.array([0, 0, 0, 1, 0, 0, 0, 1, 0.5], ">f4").tobytes(),
    b"\n" + np.array([3, 0, 1, 2], ">i4").tobytes(),
    np.array([100, -2, 70], ">i4").tobytes(),
    b"\xa0",
)


@pytest.mark.parametrize("parts", [AS_TEXT, AS_BYTES])
def test_texts_bits_and_ids_of_the_older_format_are_exact(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    path = tmp_path / "a.vtk"
    path.write_bytes(ODD % parts)
    found = arrays_of(path)
    assert found["Points/Points"].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0.5]]
    assert found["Lines/cells"].tolist() == [3, 0, 1, 2]
    assert found["FieldData/n"].tolist() == [1, -2]
    assert found["PointData/ids"].tolist() == [100, -2, 70]
    assert found["PointData/on"].tolist() == ([1, 0, 1] if parts is AS_TEXT else [0xA0])
    baler_core.compress(path, tmp_path / "a.bal", bounds={"*": {"abs": 3}}, model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtk")
    assert (tmp_path / "b.vtk").read_bytes().split() == path.read_bytes().split()


def test_texts_bits_and_ids_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.vtp"
    names, bits = base64.b64encode(np.array([6], "<u4").tobytes() + b"ab\0c \0"), base64.b64encode(b"\1\0\0\0\xa0")
    ids = " ".join(map(str, range(1000, 1100)))
    path.write_bytes(
        b"""<VTKFile type="PolyData" byte_order="LittleEndian"><PolyData><FieldData>
<Array type="String" Name="names" format="binary">%s</Array>
<Array type="String" Name="more" format="ascii">97 98 0</Array></FieldData>
<Piece><PointData GlobalIds="which"><DataArray type="Bit" Name="on" format="binary">%s</DataArray>
<DataArray type="Bit" Name="off" format="ascii" NumberOfComponents="2">1 0 0 1</DataArray>
<DataArray type="Float64" Name="which" format="ascii">%s</DataArray></PointData></Piece></PolyData></VTKFile>"""
        % (names, bits, ids.encode())
    )
    found = arrays_of(path)
    assert found["FieldData/names"].tobytes() == b"ab\0c \0"
    assert found["PointData/off"].tolist() == [[1, 0], [0, 1]]
    baler_core.compress(path, tmp_path / "a.bal", bounds={"*": {"abs": 3}}, model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtp")
    restored = arrays_of(tmp_path / "b.vtp")
    assert all(np.array_equal(restored[name], values) for name, values in found.items())


def test_names_and_texts_may_hold_any_sign(tmp_path: Path) -> None:
    path = tmp_path / "a.vtp"
    signed = " ".join(str(one) for one in np.frombuffer("wörld\0a\0".encode(), "i1"))
    path.write_bytes(
        b"""<VTKFile type="PolyData" byte_order="LittleEndian"><PolyData><FieldData>
<Array type="String" Name="signed" format="ascii">%s</Array>
<DataArray Name='p>"0"' type="Float64" format="ascii">1.5<InformationKey name="a>b" location=">"/></DataArray>
<DataArray type="Float32" Name="p>1" format="appended" offset="0"/></FieldData></PolyData>
<AppendedData encoding="raw">_\4\0\0\0\0\0\xc0\x3f</AppendedData></VTKFile>"""
        % signed.encode()
    )
    found = arrays_of(path)
    assert found["FieldData/signed"].tobytes() == "wörld\0a\0".encode()
    assert found['FieldData/p>"0"'].tolist() == found["FieldData/p>1"].tolist() == [1.5]
    baler_core.compress(path, tmp_path / "a.bal", bounds="lossless", model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtp")
    assert (tmp_path / "b.vtp").read_bytes().split() == path.read_bytes().split()


def test_what_vtk_takes_is_read_as_it_does(tmp_path: Path) -> None:
    path, half = tmp_path / "a.vtp", "1.000000059604644775390625"
    values = np.array([0.5, -1.25, 3e-5])
    head, body = (base64.b64encode(one) for one in (np.array([values.nbytes], "<u8").tobytes(), values.tobytes()))
    arrays = b"""<DataArray type="Float32" Name="text" NumberOfComponents="0" format="ASCII">%s</DataArray>
<DataArray type="Float64" Name="apart" format="binary">%s</DataArray>
<DataArray type="Float64" Name="behind" format="append" offset="0"/>""" % (
        f"{half}1 {half} -{half}1 {half[:-1]}4 0.5 -inf nan 1e-60 3.5e38".encode(),
        head + body,
    )
    path.write_bytes(
        b"""<VTKFile type="PolyData" byte_order="LittleEndian" header_type="UInt64"><PolyData><FieldData>%s</FieldData></PolyData>
<AppendedData encoding="base64">_%s</AppendedData></VTKFile>"""
        % (arrays, head + body)
    )
    above = np.nextafter(np.float32(1), np.float32(2)).item()
    wanted = np.array([above, 1, -above, 1, 0.5, -np.inf, np.nan, 0, np.inf], "f4")
    for _ in range(2):
        found = arrays_of(path)
        np.testing.assert_array_equal(found["FieldData/text"], wanted)
        np.testing.assert_array_equal(found["FieldData/apart"], values)
        np.testing.assert_array_equal(found["FieldData/behind"], values)
        baler_core.compress(path, tmp_path / "a.bal", bounds="lossless", model="scalar", overwrite=True)
        path = tmp_path / "b.vtp"
        baler_core.decompress(tmp_path / "a.bal", path, overwrite=True)


@pytest.mark.parametrize("form", ["binary", "raw"])
def test_compressed_arrays_without_values_have_a_whole_header(tmp_path: Path, form: str) -> None:
    path = grid(tmp_path / "a.vti", form, squeezed=True)
    head = np.array([0, BLOCK, 0], "<u4").tobytes()
    text = path.read_bytes()
    if form == "raw":
        place = text.index(b"_", text.index(b"<AppendedData")) + 1
        end = text.index(b"</AppendedData>")
        new = b'<DataArray type="Float64" Name="none" format="appended" offset="%d"/>' % (end - place)
        text = text[:end] + head + text[end:]
    else:
        new = b'<DataArray type="Float64" Name="none" format="binary">%s</DataArray>' % base64.b64encode(head)
    path.write_bytes(text.replace(b"<PointData>", b"<FieldData>" + new + b"</FieldData><PointData>"))
    assert arrays_of(path)["FieldData/none"].shape == (0,)
    baler_core.compress(path, tmp_path / "a.bal", bounds="lossless", model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vti")
    restored = (tmp_path / "b.vti").read_bytes()
    assert arrays_of(tmp_path / "b.vti")["FieldData/none"].shape == (0,)
    assert (head in restored) if form == "raw" else (base64.b64encode(head) in restored)


def test_arrays_of_the_same_bytes_keep_bounds_of_their_own(tmp_path: Path) -> None:
    path = grid(tmp_path / "a.vti", "raw")
    again = b'<DataArray type="Float32" Name="again" format="appended" offset="0"/>'
    path.write_bytes(path.read_bytes().replace(b"</PointData>", again * 2 + b"</PointData>"))
    baler_core.compress(path, tmp_path / "a.bal", bounds={"PointData/T": {"abs": 0.5}, "*": "lossless"}, model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vti")
    restored = arrays_of(tmp_path / "b.vti")
    assert 0 < np.abs(restored["PointData/T"].ravel() - T).max() <= 0.5
    np.testing.assert_array_equal(restored["PointData/again"].ravel(), T)
    assert (tmp_path / "b.vti").stat().st_size <= path.stat().st_size + T.nbytes + 16


@pytest.mark.parametrize("version", ["vtk42", "vtk51"])
@pytest.mark.parametrize("binary", [True, False])
def test_meshes_of_the_older_format_keep_their_bounds(tmp_path: Path, version: str, binary: bool) -> None:
    meshio = pytest.importorskip("meshio")
    points, cells = RNG.random((500, 3)), RNG.integers(0, 500, (800, 3))
    mesh = meshio.Mesh(points, [("triangle", cells)], {"T": np.sin(points[:, 0] * 9)}, {"q": [RNG.random(800)]})
    meshio.write(tmp_path / "a.vtk", mesh, file_format=version, binary=binary)
    baler_core.compress(
        tmp_path / "a.vtk", tmp_path / "a.bal", bounds={"*": {"abs": 0.01}}, model={"name": "auto", "effort": "fast"}
    )
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.vtk")
    restored = meshio.read(tmp_path / "b.vtk")
    np.testing.assert_array_equal(restored.points, points)
    np.testing.assert_array_equal(restored.cells[0].data, cells)
    assert 0 < np.abs(restored.point_data["T"] - mesh.point_data["T"]).max() <= 0.01
    assert 0 < np.abs(restored.cell_data["q"][0] - mesh.cell_data["q"][0]).max() <= 0.01


SERIES = b"""<VTKFile type="Collection" version="0.1"><Collection>
<DataSet timestep="0" file="flow_0.vtu"/><DataSet timestep="0.5" file="flow_1.vtu"/></Collection></VTKFile>"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:300], "damaged"),
        (lambda text: text.replace(b'"ImageData"', b'"HyperTreeGrid"'), "of the type 'HyperTreeGrid'"),
        (lambda text: text.replace(b"ZLib", b"Zstd"), "which is not kept"),
        (lambda text: text.replace(b"<VTKFile", b"<!DOCTYPE a [<!ENTITY b 'c'>]><VTKFile"), "document type"),
        (lambda text: text.replace(b"Float32", b"Variant"), "of the type 'Variant'"),
        (lambda text: text.replace(b'"raw">\n _', b'"raw">\n _\xff\xff\xff\xff\xff\xff\xff'), "damaged"),
        (lambda text: b"", "empty"),
        (lambda text: b"no xml", "is no VTK file"),
        (lambda text: ODD.replace(b"POLYDATA", b"TREE") % AS_TEXT, "kind TREE; kept are STRUCTURED_POINTS, "),
        (lambda text: SERIES, r"names 2 other files .*input: \[flow_0.vtu, flow_1.vtu\]"),
        (lambda text: SERIES.replace(b"DataSet", b"Piece").replace(b"file", b"Source"), "names 2 other files"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, change: Any, message: str) -> None:
    path = grid(tmp_path / "a.vti", "raw", squeezed=True)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        VtkReader().open(path)
    assert "\n" not in str(caught.value)


def test_forged_records_are_refused(tmp_path: Path) -> None:
    assert check_hostile_reader(VtkReader(), grid(tmp_path / "a.vti", "raw"), tmp_path, cases=40) >= 0
