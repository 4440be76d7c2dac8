"""Run another compressor in a process of its own, which it may end."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from baler_core.errors import DataError
from baler_core.evaluate.peers.measure import Given, PeerTally, run_peer
from baler_core.evaluate.peers.peer import Peer


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
