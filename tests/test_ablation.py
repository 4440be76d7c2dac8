"""What the ablation benchmark switches off is where it says, and is back afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from baler_core.plugin.registry import Registry

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "ablation_rooms.py"


def test_every_room_can_be_switched_off_and_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FILE.parent))
    import ablation_rooms as rooms

    models = Registry.automatic_models
    for name, room in {**rooms.ROOMS, **rooms.REUSED}.items():
        with room.switched_off():
            assert (Registry.automatic_models is models) != name.endswith("as a whole")
        assert bool(room.parts) == bool(room.changes)
        assert room.lines > 0 or not room.parts
    assert Registry.automatic_models is models
