"""Keep comparisons as JSON, so that the same sample is not measured twice."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from baler_core.evaluate.peer_results import PeerComparison, PeerResult
from baler_core.evaluate.peers.comparison import known_as
from baler_core.evaluate.peers.sample import BoundedSample
from baler_core.machine.atomic_write import completed

_ADAPTER = TypeAdapter(PeerComparison)
_MOST_BYTES = 16 << 20


def write_comparison(path: Path, sample: BoundedSample, comparison: PeerComparison) -> None:
    """Write a comparison, with the digest of what was compared."""
    record = {"digest": sample.digest(), "comparison": _ADAPTER.dump_python(comparison, mode="json")}
    with completed(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2), encoding="utf-8")


def holds_comparison(path: Path) -> bool:
    """Return whether a file holds the results of a comparison, of whatever sample."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return False
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return isinstance(record, dict) and {"digest", "comparison"} <= record.keys()
    except ValueError:
        return False


def known_results(path: Path, sample: BoundedSample) -> dict[str, PeerResult]:
    """Return what an earlier comparison of the same sample found, by name and version; nothing of another sample."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["digest"] != sample.digest():
            return {}
        found: PeerComparison = _ADAPTER.validate_python(record["comparison"])
    except (ValueError, KeyError, TypeError, ValidationError):
        return {}
    return {known_as(one.name, one.version): one for one in found.results if not one.problem}
