"""Files compressed as a whole, padded oddly, or followed by other bytes come back as they were."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_core import DataError
from baler_fits.reader import FitsReader
from baler_fits.values import lzw

from .test_fits_roundtrip import identical, restore


def image_bytes(folder: Path) -> bytes:
    path = folder / "plain.fits"
    hdu = fits.PrimaryHDU(np.arange(4000, dtype="i4").reshape(40, 100))
    hdu.header["OBJECT"] = "M31"
    hdu.writeto(path)
    return path.read_bytes()


def pack_lzw(raw: bytes) -> bytes:
    return b"".join(lzw.Packer(14).pack([raw[:999], raw[999:]]))


PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gz": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "Z": (pack_lzw, lambda raw: bytes(lzw.unpack(raw))),
}


@pytest.mark.parametrize("suffix", PACKED)
def test_files_compressed_as_a_whole_are_compressed_so_again(suffix: str, tmp_path: Path) -> None:
    raw, (pack, unpack) = image_bytes(tmp_path), PACKED[suffix]
    path, out = tmp_path / f"image.fits.{suffix}", tmp_path / "out.tmp"
    path.write_bytes(pack(raw))
    assert path.name.lower().endswith(FitsReader.suffixes)
    restore(path, out)
    assert out.read_bytes()[:3] == path.read_bytes()[:3]
    assert unpack(out.read_bytes()) == raw
    path.write_bytes(pack(raw)[:-30])
    if suffix != "Z":  # whose streams do not tell where they end
        with pytest.raises(DataError, match="stream is damaged or cut short"):
            FitsReader().open(path)


def test_several_streams_in_one_file_are_read_to_the_end(tmp_path: Path) -> None:
    raw = image_bytes(tmp_path)
    for suffix, pack in (("bz2", bz2.compress), ("xz", lzma.compress), ("gz", gzip.compress)):
        path, out = tmp_path / f"two.fits.{suffix}", tmp_path / "out.tmp"
        path.write_bytes(pack(raw[:5000]) + pack(raw[5000:]))
        restore(path, out)
        assert PACKED[suffix][1](out.read_bytes()) == raw


@pytest.mark.parametrize("bits", [9, 11, 16])
@pytest.mark.parametrize("length", [0, 1, 700, 150_000])
def test_compress_and_back(bits: int, length: int) -> None:
    numbers = random.Random(length)
    for raw in (bytes(length), numbers.randbytes(length), bytes(numbers.choices(b"FITS ", k=length))):
        packed = b"".join(lzw.Packer(bits).pack([raw[: length // 3], raw[length // 3 :]]))
        assert lzw.unpack(packed) == raw


def test_damaged_compress_streams_are_refused_or_read(tmp_path: Path) -> None:
    packed, numbers = bytearray(pack_lzw(image_bytes(tmp_path))), random.Random(1)
    path, refused = tmp_path / "damaged.fits.Z", 0
    for _ in range(60):
        broken = bytearray(packed)
        for _ in range(3):
            broken[numbers.randrange(len(broken))] = numbers.randrange(256)
        path.write_bytes(broken)
        try:
            with FitsReader().open(path) as source:
                assert source.schema.names == ["hdu0"]
        except DataError:
            refused += 1
    assert refused


def test_other_archives_are_named(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(DataError, match="is a zip archive"):
        FitsReader().open(path)


def test_odd_padding_and_trailing_bytes_come_back(tmp_path: Path) -> None:
    raw = image_bytes(tmp_path)
    odd = bytearray(raw)
    odd[2879] = 0
    odd[-1] = 32
    path = tmp_path / "odd.fits"
    for whole in (bytes(odd), raw + b"tail", raw + bytes(2880), raw[: 2880 + 16000], bytes(odd) + bytes(5000)):
        path.write_bytes(whole)
        schema, values = identical(path, tmp_path)
        assert schema.names == ["hdu0"]
        assert values["hdu0"][39, 99] == 3999
        with FitsReader().open(path) as source:
            assert not source.warnings


def test_padding_stays_where_values_change_and_checksums_are_true(tmp_path: Path) -> None:
    path, out = tmp_path / "sums.fits", tmp_path / "out.fits"
    fits.PrimaryHDU(np.arange(100, dtype="f4").reshape(10, 10)).writeto(path, checksum=True)
    raw = bytearray(path.read_bytes())
    raw[2870] = 33
    path.write_bytes(bytes(raw) + b"tail")
    restore(path, out, change=lambda name, values: values + np.float32(1))
    assert fits.getdata(out)[0, 0] == 1
    whole = out.read_bytes()
    assert whole[2870] == 33
    assert whole[5760:] == b"tail"
    # the standard's sum over every byte of the HDU; astropy sums what the padding should be
    assert int(np.frombuffer(whole[:5760], ">u4").sum(dtype=np.uint64)) % 0xFFFFFFFF == 0


def test_headers_alone_give_no_variables_and_no_warning(tmp_path: Path) -> None:
    header = fits.PrimaryHDU()
    header.header["OBJECT"] = "nothing was looked at"
    path = tmp_path / "headers.fits"
    fits.HDUList([header, fits.ImageHDU(name="EMPTY")]).writeto(path)
    for whole in (path.read_bytes(), path.read_bytes()[:-2000]):
        path.write_bytes(whole)
        schema, _ = identical(path, tmp_path)
        assert not schema.variables
        with FitsReader().open(path) as source:
            assert not source.warnings


def test_headers_that_break_the_standard_are_kept_as_they_are(tmp_path: Path) -> None:
    cards = [
        "HIERARCH ESO  det gain=2,5/ lower case, a comma", "lower   =                    1", "UNDEF   =",
        "BAD VALUE= 'no end", "HISTORY = 'x'", "\xe9\xff\x01 = 3", "KEY     = 1.0D+400 / too large", "", "CONTINUE  'alone'",
        "DUP     = 1", "DUP     = 2", "NAN     = NaN", "OBJECT  = 'it''s &'", "CONTINUE  'long' / joined",
    ]  # fmt: skip
    raw = image_bytes(tmp_path)
    at = raw.index(b"OBJECT  =")
    text = raw[:at] + b"".join(f"{card:<80}".encode("latin-1") for card in [*cards, "END"])
    path, out = tmp_path / "odd.fits", tmp_path / "out.fits"
    path.write_bytes(text.ljust(2880) + raw[2880:])
    identical(path, tmp_path)
    restore(path, out, change=lambda name, values: values + 1)
    assert out.read_bytes()[:2880] == path.read_bytes()[:2880]


def test_extensions_of_other_kinds_are_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "foreign.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.arange(720, dtype="i4").reshape(20, 36), name="ODD")]).writeto(
        path
    )
    path.write_bytes(path.read_bytes().replace(b"XTENSION= 'IMAGE   '", b"XTENSION= 'FOREIGN '"))
    schema, _ = identical(path, tmp_path)
    assert schema["ODD"].label == "extension of type FOREIGN, kept byte for byte"


def test_checksums_that_were_wrong_stay_as_they_are(tmp_path: Path) -> None:
    path, out = tmp_path / "sums.fits", tmp_path / "out.fits"
    fits.PrimaryHDU(np.arange(100, dtype="f4").reshape(10, 10)).writeto(path, checksum=True)
    raw = path.read_bytes()
    for sums in ((b"DATASUM",), (b"DATASUM", b"CHECKSUM"), (b"CHECKSUM",)):
        wrong = bytearray(raw)
        for keyword in sums:
            place = raw.index(keyword + b" " * (8 - len(keyword)) + b"= '") + 11
            wrong[place] = wrong[place] + 1 if wrong[place] < 57 else wrong[place] - 1
        path.write_bytes(wrong)
        identical(path, tmp_path)
    restore(path, out, change=lambda name, values: values + np.float32(1))
    with fits.open(out, checksum=True) as hdus:  # DATASUM was right, so both are right again
        assert hdus[0].data[0, 0] == 1
