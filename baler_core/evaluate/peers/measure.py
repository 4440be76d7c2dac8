"""Run one compressor on the variables of a block: bytes, processor time, and the restored values."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import field
from typing import NamedTuple

import numpy as np

from baler_core.data.variables import native_bytes
from baler_core.errors import DataError
from baler_core.evaluate.others import compress_zstd
from baler_core.evaluate.peers.lossless import ZSTD, restore_zstd
from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer
from baler_core.machine.records import dataclass


class Given(NamedTuple):
    """Values, what errors others are told of, and which of the values are kept apart: a mask of the same shape."""

    values: np.ndarray
    allowed: Allowed
    apart: np.ndarray


@dataclass
class PeerTally:
    """What a compressor took, variable by variable."""

    nbytes: int = 0
    beside: int = 0
    encoding: float = 0.0
    decoding: float = 0.0
    restored: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Timed:
    """What became of one variable, and the processor time of compressing and restoring it, in seconds."""

    nbytes: int
    restored: np.ndarray
    encoding: float
    decoding: float


def run_peer(peer: Peer, given: Mapping[str, Given]) -> PeerTally:
    """Compress and restore every variable by one compressor, and by zstd what it does not take."""
    tally = PeerTally()
    for name, one in given.items():
        timed = _timed(peer, one)
        if timed is None:
            tally.beside += 1
            timed = _timed(ZSTD, Given(one.values, Allowed("exact"), np.zeros_like(one.apart)))
        assert timed is not None
        tally.nbytes += timed.nbytes
        tally.encoding += timed.encoding
        tally.decoding += timed.decoding
        tally.restored[name] = timed.restored
    return tally


def _timed(peer: Peer, given: Given) -> _Timed | None:
    started = time.process_time()
    coded = _coded(peer, given)
    if coded is None:
        return None
    encoded = time.process_time()
    restored = coded.restore().reshape(given.values.shape).astype(given.values.dtype, copy=False)
    return _Timed(coded.nbytes, restored, encoded - started, time.process_time() - encoded)


def _coded(peer: Peer, given: Given) -> Coded | None:
    """Return what a compressor makes of a variable; None if it does not take it."""
    if given.values.dtype.kind == "O":
        return _coded_text(given.values) if peer is ZSTD else None
    allowed = Allowed("exact") if peer.lossless else given.allowed
    if allowed.kind not in peer.kinds or not given.values.size:
        return None if peer is not ZSTD else Coded(0, lambda: given.values)
    try:
        if allowed.kind == "exact" or not given.apart.any():
            return peer.code(given.values, allowed)
        return _with_holes(peer, given)
    except NotTakenError:
        return None


def _coded_text(values: np.ndarray) -> Coded:
    data = native_bytes(values)
    coded = compress_zstd(bytes(data))

    def restore() -> np.ndarray:
        if restore_zstd(coded) != data:
            raise AssertionError("zstd restored other bytes")
        return values

    return Coded(len(coded), restore)


def _with_holes(peer: Peer, given: Given) -> Coded:
    """Values kept apart are replaced by the one before; they and their places are compressed by zstd."""
    values, apart = given.values, given.apart.ravel()
    flat = np.ascontiguousarray(values).ravel()
    if apart.all():
        return ZSTD.code(values, Allowed("exact"))
    places = np.maximum.accumulate(np.where(apart, -1, np.arange(flat.size)))
    filled = flat[np.where(places < 0, int(np.argmin(apart)), places)].reshape(values.shape)
    coded = peer.code(filled, given.allowed)
    holes = compress_zstd(np.packbits(apart).tobytes() + flat[apart].tobytes())

    def restore() -> np.ndarray:
        data = restore_zstd(holes)
        length = -(-flat.size // 8)
        where = np.unpackbits(np.frombuffer(data, np.uint8, length), count=flat.size).astype(bool)
        restored = np.array(coded.restore()).reshape(-1)
        restored[where] = np.frombuffer(data[length:], values.dtype)
        return restored.reshape(values.shape)

    return Coded(coded.nbytes + len(holes), restore)


def named(name: str, given: Mapping[str, Given]) -> PeerTally:
    """Run the compressor of a name, since functions within functions do not pass between processes."""
    from baler_core.evaluate.peers.available import chosen_peers

    return run_peer(chosen_peers([name])[0], given)


def run_apart(
    peer: Peer, given: Mapping[str, Given], run: Callable[[str, Mapping[str, Given]], PeerTally] = named
) -> PeerTally:
    """Do what `run_peer` does.

    Raises
    ------
    DataError
        If the process ended.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(run, peer.name, given).result()
        except BrokenProcessPool as error:
            raise DataError("its process ended without a word, as by a segmentation fault") from error
