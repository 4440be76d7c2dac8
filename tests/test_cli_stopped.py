"""Commands that are stopped by Ctrl-C or SIGTERM end at once and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SLOW = """
import time
from pathlib import Path
from baler_core import Model, hookimpl

class Slow(Model):
    name = "slow"
    automatic = True
    kinds = frozenset({"table", "grid"})
    def encode(self, block, layout, tolerances, *, hints, plan):
        Path("started").touch()
        time.sleep(60)
    def decode(self, streams, layout, tolerances):
        raise NotImplementedError

@hookimpl
def baler_models():
    return [Slow]
"""


@pytest.mark.parametrize("model", ["slow", "auto"])  # which is at it in a thread
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_being_stopped_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int, model: str
) -> None:
    monkeypatch.chdir(tmp_path)
    site = tmp_path / "site" / "baler_slow-1.dist-info"
    site.mkdir(parents=True)
    (site.parent / "baler_slow.py").write_text(SLOW)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: baler-slow\nVersion: 1\n")
    (site / "entry_points.txt").write_text("[baler]\nslow = baler_slow\n")
    random = np.random.default_rng(0)
    np.savez(tmp_path / "several.npz", a=random.normal(size=5000), b=random.normal(size=(90, 80)))
    (tmp_path / "several.yaml").write_text(f"input: several.npz\nmodel: {model}\noutput: out\n")
    # Where the tests themselves run in the background, Ctrl-C is ignored and children inherit that.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [
        sys.executable,
        "-c",
        f"{heed}\nfrom baler_core.__main__ import main; main()",
        "compress",
        "several.yaml",
    ]
    environment = {**os.environ, "PYTHONPATH": str(site.parent)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):
            if Path("started").exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, shown = process.communicate(timeout=30)
    assert process.returncode == code
    assert shown.splitlines()[-1] in ("baler: stopped", "baler: terminated")
    assert "Traceback" not in shown
    assert list((tmp_path / "out").iterdir()) == []
