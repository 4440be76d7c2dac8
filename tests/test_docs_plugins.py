"""The plugin of the documentation, as written there, is found, used by name in a configuration, and keeps its bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


def snippets(language: str) -> str:
    """All code blocks of one language, joined."""
    return "\n\n".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the documented package the way an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads(snippets("toml"))["project"]
    (folder / "baler_raw.py").write_text(snippets("python"))
    info = folder / f"baler_raw-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["baler"].items())
    (info / "entry_points.txt").write_text(f"[baler]\n{entries}")
    return folder


def baler(installed: Path, folder: Path, *arguments: str) -> str:
    """Standard output of a command that succeeds, with the package installed."""
    command = [sys.executable, "-c", "from baler_core.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_with_its_components(installed: Path, tmp_path: Path) -> None:
    listing = json.loads(baler(installed, tmp_path, "plugins", "--json"))
    status = {"name": "raw", "package": "baler-raw", "version": "1.0.0", "state": "loaded", "problem": ""}
    assert status in listing["plugins"]
    found = [(c["kind"], c["name"]) for c in listing["components"] if c["package"] == "baler-raw"]
    assert found == [("reader", "raw"), ("model", "half"), ("metric", "energy"), ("quantity", "speed_of_sound")]
    assert "shape" in baler(installed, tmp_path, "plugins", "raw")


def test_it_runs_by_name_and_keeps_the_bound(installed: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 32, 32)).astype("<f4")
    values[3, 4, 5] = 1e30
    values.tofile(tmp_path / "flow.f32")
    (tmp_path / "flow.yaml").write_text(snippets("yaml"))
    summary = json.loads(baler(installed, tmp_path, "run", "flow.yaml", "--json"))
    restored = np.fromfile(tmp_path / "results" / "flow.restored.f32", "<f4").reshape(values.shape)
    assert np.abs(restored.astype(float) - values).max() <= 1e-3
    assert not np.array_equal(restored, values)
    assert summary["files"][0]["input_bytes"] == values.nbytes
