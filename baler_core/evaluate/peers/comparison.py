"""Compare baler with other compressors on a sample of an input, all judged by the same check of bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from baler_core.config import Config
from baler_core.data.block import Block
from baler_core.data.error_bound import ErrorBound
from baler_core.evaluate.compare import Wanted, compare
from baler_core.evaluate.peer_results import KeptQuantity, PeerComparison, PeerResult
from baler_core.evaluate.peers.available import HARMLESS, version_of
from baler_core.evaluate.peers.measure import Given, PeerTally, run_apart, run_peer
from baler_core.evaluate.peers.peer import Peer
from baler_core.evaluate.peers.sample import BoundedSample, as_told, errors_alone, sample_beside
from baler_core.evaluate.results import Results
from baler_core.format.file_info import read_info
from baler_core.machine.progress import shown
from baler_core.machine.records import dataclass
from baler_core.machine.threads import one_thread
from baler_core.pipeline.derived.quantities import Derived, bind_rules
from baler_core.pipeline.input import input_of
from baler_core.pipeline.written_sample import written
from baler_core.plugin.registry import Registry
from baler_core.plugin.version import __version__

OURS = "baler"
_BESIDE_BYTES = 1 << 20
Known = Mapping[str, PeerResult]
"""Results of an earlier comparison of the same sample, by name and version."""


def compare_with_others(
    sample: BoundedSample, registry: Registry, peers: Sequence[Peer], known: Known | None = None
) -> PeerComparison:
    """Compress a sample by baler and by others at the same bounds; restore it, and judge every value.

    Parameters
    ----------
    peers
        Those that are not installed are named in the result. Each runs in a process of its own, since libraries in other
        languages may end it.
    known
        Taken over instead of measured anew.
    """
    known = known or {}
    here = [peer for peer in peers if not peer.missing]
    with shown(f"compare {sample.given.name}", "compressor", len(here) + 1) as step:
        ours, blocks, bounds = _ours(sample, registry)
        step(OURS)
        judge = _Judge.of(sample, bounds, registry)
        results = [judge.judged(ours, blocks, bounds)]
        for peer in here:
            found = known.get(known_as(peer.name, version_of(peer)))
            results.append(found or judge.theirs(peer, run_apart))
            step(peer.name)
    return _comparison(sample, results, peers)


def beside_file(config: Config, registry: Registry, source: Path, bal: Path, results: Results) -> PeerComparison:
    """Compare a compressed input with those lossy compressors that are installed and harmless, on a small sample.

    Parameters
    ----------
    results
        Of the evaluation of the `.bal` file, which is not made anew.
    """
    info = read_info(bal)
    derived = tuple(KeptQuantity(d.name, d.largest_error, d.share, d.violations) for d in results.derived)
    given = input_of(source, config, registry)
    with given.source:
        sample, bounds = sample_beside(given, config, info.header, _BESIDE_BYTES)
        # As large as the sample would be if all of the file were as small.
        size = max(1, round(info.file_bytes * sample.native / max(1, sample.whole)))
        share = max((_share(v.share, v.mean_share) for v in results.variables), default=0.0)
        ours = PeerResult(
            OURS, f"baler-core {__version__}", size, share=share, violations=_violations(results), derived=derived
        )
        judge = _Judge.of(sample, bounds, registry)
        theirs = [judge.theirs(peer, run_peer) for peer in HARMLESS if not peer.missing]
    return _comparison(sample, [ours, *theirs], ())


def known_as(name: str, version: str) -> str:
    """Return how a result is found again."""
    return f"{name} {version}"


def _comparison(sample: BoundedSample, results: Sequence[PeerResult], peers: Sequence[Peer]) -> PeerComparison:
    count = len(sample.schema.variables)
    takers = [result for result in results if result.beside < count]
    strange = tuple(result.name for result in results if result.beside == count)
    absent = tuple((peer.name, ", ".join(peer.missing)) for peer in peers if peer.missing)
    return PeerComparison(sample.given.name, sample.native, sample.whole, count, tuple(takers), absent, strange)


@one_thread
def _ours(sample: BoundedSample, registry: Registry) -> tuple[PeerResult, list[Block], dict[str, ErrorBound]]:
    """Compress and restore the sample by baler; with the bounds of all variables as its header states them."""
    found = written(sample.config, registry, sample.given)
    header = found.info.header
    result = PeerResult(OURS, f"baler-core {__version__}", found.info.file_bytes, seconds=found.seconds)
    return result, found.blocks, dict(zip(header.schema.names, header.bounds, strict=True))


@dataclass(frozen=True)
class _Judge:
    """Checks restored values against bounds, and what is derived from them."""

    sample: BoundedSample
    given: Mapping[str, Given]
    bounds: Mapping[str, ErrorBound]
    derived: Sequence[Derived]

    @classmethod
    def of(cls, sample: BoundedSample, bounds: Mapping[str, ErrorBound], registry: Registry) -> _Judge:
        """Make the judge of other compressors, who are told and held to bounds of errors alone."""
        alone = {name: errors_alone(bound) for name, bound in bounds.items()}
        derived = bind_rules(sample.config.derived, sample.schema, registry)
        return cls(sample, as_told(sample, alone), alone, derived)

    def theirs(self, peer: Peer, run: Callable[[Peer, Mapping[str, Given]], PeerTally]) -> PeerResult:
        """Compress, restore and judge the sample by another compressor; whatever it raises is a result, too."""
        version = version_of(peer)
        try:
            tally = one_thread(run)(peer, self.given)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return PeerResult(peer.name, version, problem=reason[:200])
        seconds = (tally.encoding, tally.decoding)
        result = PeerResult(peer.name, version, tally.nbytes, tally.beside, seconds)
        return self.judged(result, list(self.sample.like(tally.restored)), self.bounds)

    def judged(self, result: PeerResult, blocks: Sequence[Block], bounds: Mapping[str, ErrorBound]) -> PeerResult:
        """Return a result with what the check of `baler evaluate` finds."""
        wanted = Wanted(bounds, drawn=(), others_bytes=0, derived=self.derived)
        found = compare(self.sample.blocks, lambda: blocks, self.sample.schema, wanted)
        return replace(
            result,
            share=max((_share(v.share, v.mean_share) for v in found.variables), default=0.0),
            violations=_violations(found),
            derived=tuple(KeptQuantity(d.name, d.largest_error, d.share, d.violations) for d in found.derived),
        )


def _share(hard: float, mean: float | None) -> float:
    return hard if mean is None else max(hard, mean)


def _violations(found: Results) -> int:
    """Return how many values are outside their bound, became missing or valid, or variables exceed it on average."""
    return sum(v.violations + v.mask_changed + v.is_broken_on_average for v in found.variables)
