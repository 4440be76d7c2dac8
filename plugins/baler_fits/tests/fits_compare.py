"""Compares two FITS files as astropy shows them: HDUs, cards, formats, values, masks. Knows nothing of baler."""

from __future__ import annotations

import bz2
import gzip
import lzma
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

SUMS = ("CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM")
# Cards that follow from the bytes that a tile-compressed image takes.
STORAGE = ("PCOUNT", "TFORM", "CHECKSUM", "DATASUM")


def plain_bytes(path: Path) -> bytes:
    """The bytes of a file without the compression of the whole."""
    raw = path.read_bytes()
    for magic, unpack in ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ", lzma.decompress)):
        if raw.startswith(magic):
            return unpack(raw)
    return raw


def differences(original: Path, restored: Path, *, rel: float = 0.0) -> Iterator[str]:
    """How a restored file differs from the original beyond relative errors of floats (0: none allowed)."""
    for path in (original, restored):
        if path.read_bytes()[:6].startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x1f\x9d")):
            other = restored if path is original else original
            if path.read_bytes()[:2] != other.read_bytes()[:2]:
                yield f"the compression of the whole file: {original.read_bytes()[:3]!r}, {restored.read_bytes()[:3]!r}"
    if plain_bytes(original) == plain_bytes(restored):  # also what astropy cannot open
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            fits.open(original) as before,
            fits.open(restored) as after,
        ):
            if len(before) != len(after):
                yield f"{len(before)} HDUs, {len(after)} restored"
            for n, (old, new) in enumerate(zip(before, after, strict=False)):
                for sentence in _hdu_differences(old, new, rel):
                    yield f"HDU {n}: {sentence}"
        with (
            fits.open(original, disable_image_compression=True) as before,
            fits.open(restored, disable_image_compression=True) as after,
        ):
            for n, (old, new) in enumerate(zip(before, after, strict=False)):
                if old.header.get("ZIMAGE") is True:
                    cards = [
                        [str(c) for c in hdu.header.cards if not c.keyword.startswith(STORAGE)] for hdu in (old, new)
                    ]
                    yield from (
                        f"HDU {n}: {old!r} became {new!r}" for old, new in zip(*cards, strict=False) if old != new
                    )
                    if len(cards[0]) != len(cards[1]):
                        yield f"HDU {n}: {len(cards[0])} cards of the compressed table, {len(cards[1])} restored"
    yield from _check_sums(original, restored)


def _check_sums(original: Path, restored: Path) -> Iterator[str]:
    """A checksum that was right must be right again."""
    found = []
    for path in (original, restored):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
                    len(hdus)
            except OSError:  # astropy gives up on some files when it looks at sums
                return
            found.append({str(w.message) for w in caught if "verification failed" in str(w.message)})
    if new := found[1] - found[0]:
        yield f"checksums: {new}"


def _hdu_differences(old: Any, new: Any, rel: float) -> Iterator[str]:
    if type(old) is not type(new):
        yield f"{type(old).__name__} became {type(new).__name__}"
        return
    cards = [[str(card) for card in hdu.header.cards if card.keyword not in SUMS] for hdu in (old, new)]
    if cards[0] != cards[1]:
        wrong = [(a, b) for a, b in zip(*cards, strict=False) if a != b]
        yield f"cards: {len(cards[0])}, {len(cards[1])}, first {wrong[:1]}"
    try:
        before = old.data
    except Exception as error:
        try:
            _ = new.data
        except Exception as again:
            if type(again) is not type(error):
                yield f"data: {error!r} became {again!r}"
            return
        yield f"data that could not be read ({error!r}) can be"
        return
    after = new.data
    if (before is None) != (after is None):
        yield "data appear or vanish"
    elif before is None:
        return
    elif isinstance(before, bytes | str):
        if before != after:
            yield "bytes differ"
    elif before.dtype.names:
        yield from _table_differences(old, new, rel)
    else:
        yield from _value_differences("image", before, after, rel)


def _table_differences(old: Any, new: Any, rel: float) -> Iterator[str]:
    if old.data.dtype != new.data.dtype:
        yield f"{old.data.dtype} became {new.data.dtype}"
        return
    if len(old.data) != len(new.data):
        yield f"{len(old.data)} rows became {len(new.data)}"
        return
    for n, name in enumerate(old.columns.names):
        for key in ("format", "unit", "null", "bscale", "bzero", "disp", "dim"):
            if getattr(old.columns[n], key) != getattr(new.columns[n], key):
                yield f"{name}.{key}: {getattr(old.columns[n], key)} became {getattr(new.columns[n], key)}"
        before, after = old.data.field(n), new.data.field(n)
        if before.dtype.kind == "O" or isinstance(before, fits.column._VLF):
            if len(before) != len(after):
                yield f"{name}: rows"
            for a, b in zip(before, after, strict=False):
                yield from list(_value_differences(name, np.asarray(a), np.asarray(b), rel))[:1]
        else:
            yield from _value_differences(name, np.asarray(before), np.asarray(after), rel)
            null = old.columns[n].null
            raw = [
                np.asarray(
                    hdu.data.base[name]
                    if hdu.data.base is not None and hdu.data.base.dtype.names
                    else hdu.data.field(n)
                )
                for hdu in (old, new)
            ]
            if null is not None and raw[0].dtype.kind in "iu" and ((raw[0] == null) != (raw[1] == null)).any():
                yield f"{name}: other values are null"


def _value_differences(what: str, before: np.ndarray, after: np.ndarray, rel: float) -> Iterator[str]:
    if before.shape != after.shape or before.dtype != after.dtype:
        yield f"{what}: {before.dtype} {before.shape} became {after.dtype} {after.shape}"
        return
    if before.dtype.kind == "f" and rel:
        lost = np.isfinite(before) != np.isfinite(after)
        if lost.any():
            yield f"{what}: {np.count_nonzero(lost)} values became undefined or defined"
        with np.errstate(all="ignore"):
            error = np.abs(after.astype("f8") - before.astype("f8"))
            slack = 1e-6 * np.abs(before.astype("f8"))
            wrong = np.isfinite(before) & (error > rel * np.abs(before.astype("f8")) + slack)
        if wrong.any():
            yield f"{what}: {np.count_nonzero(wrong)} values outside, worst {np.max(error[wrong]):g}"
    else:
        same = before == after
        if before.dtype.kind in "fc":
            same |= np.isnan(before) & np.isnan(after)
        if not np.all(same):
            yield f"{what}: {np.size(same) - np.count_nonzero(same)} values differ"
