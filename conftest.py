"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("BALER_SHARED_DATA", Path(__file__).resolve().parents[1] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared research data are not here")
    return folder
