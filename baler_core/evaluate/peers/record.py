"""Keep comparisons as JSON, so that the same sample is not measured twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from baler_core.evaluate.peer_results import PeerComparison, PeerResult
from baler_core.evaluate.peers.comparison import known_as
from baler_core.machine.atomic_write import completed

_ADAPTER = TypeAdapter(PeerComparison)
_MOST_BYTES = 16 << 20


def write_comparisons(path: Path, found: Sequence[tuple[str, PeerComparison]]) -> None:
    """Write comparisons, each with the digest of what was compared."""
    record = [{"digest": digest, "comparison": _ADAPTER.dump_python(one, mode="json")} for digest, one in found]
    with completed(path) as temporary:
        temporary.write_text(json.dumps({"comparisons": record}, indent=2), encoding="utf-8")


def holds_comparison(path: Path) -> bool:
    """Return whether a file holds the results of comparisons, of whatever samples."""
    return _records(path) is not None


def known_results(path: Path, digest: str) -> dict[str, PeerResult]:
    """Return what an earlier comparison of the same sample found, by name and version; nothing of another sample."""
    for record in _records(path) or ():
        try:
            if record["digest"] == digest:
                found: PeerComparison = _ADAPTER.validate_python(record["comparison"])
                return {known_as(one.name, one.version): one for one in found.results if not one.problem}
        except (KeyError, TypeError, ValidationError):
            continue
    return {}


def _records(path: Path) -> list[Any] | None:
    """Return what a file lists; None if it is none of comparisons."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    listed = record.get("comparisons") if isinstance(record, dict) else None
    return listed if isinstance(listed, list) else None
