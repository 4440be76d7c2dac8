"""Fixtures that many tests share."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

from baler_core.machine.loop_library import open_library

# A machine that is busy with other things is no fault of the project.
# There each run looks at the same examples; elsewhere, at new ones.
# `benchmarks/fuzz.py` looks at as many as one has time for.
settings.register_profile("patient", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.load_profile("patient")

# What tests the training of networks imports torch, which not every installation has.
collect_ignore = [] if importlib.util.find_spec("torch") else ["tests/test_losses.py", "tests/test_training.py"]


def pytest_configure() -> None:
    """Refuse to test uncompiled loops, or those of other sources, by mistake."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            open_library()
        except RuntimeWarning as reason:
            pytest.exit(str(reason), returncode=2)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("BALER_SHARED_DATA", Path(__file__).resolve().parents[1] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared research data are not here")
    return folder
