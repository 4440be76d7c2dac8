"""List all other compressors, and those that are installed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from baler_core.errors import ConfigError, did_you_mean
from baler_core.evaluate.peers import fields, formats, lossless, rounding
from baler_core.evaluate.peers.openzl import OPENZL
from baler_core.evaluate.peers.peer import Peer

PEERS = (*lossless.PEERS, OPENZL, *rounding.PEERS, *formats.PEERS, *fields.PEERS)
"""General-purpose compressors first, then what formats do, then error-bounded compressors."""


HARMLESS = (*(peer for peer in rounding.PEERS if "openzl" not in peer.packages), *formats.PEERS)
"""Lossy ones that a report can run beside itself: none is known to end the process on odd values, or to take long."""


def chosen_peers(names: Sequence[str]) -> tuple[Peer, ...]:
    """Return the compressors of some names, or all.

    Raises
    ------
    ConfigError
        If there is none of a name.
    """
    if not names:
        return PEERS
    known = {peer.name: peer for peer in PEERS}
    by_word = {name.casefold(): peer for name, peer in known.items()}
    found = []
    for name in names:
        if name.casefold() not in by_word:
            raise ConfigError(f"there is no compressor {name!r} to compare with. {did_you_mean(name, known)}")
        found.append(by_word[name.casefold()])
    return tuple(found)


def version_of(peer: Peer) -> str:
    """Return the versions of the packages behind a compressor; empty for those of Python itself."""
    found = []
    for package in peer.packages:
        # Most distributions are called as what they install. To look into all takes a third of a second.
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
            continue
        for distribution in packages_distributions().get(package, [])[:1]:
            found.append(f"{distribution} {version(distribution)}")
    return ", ".join(found)
