"""The scripts of examples/ that work from a .bal file print what they print of the original's values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import baler_core

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TOLD = {
    "flow": ("wake.nc", ["fastest at t = 0.70", "turbulent kinetic energy: 0.", "strongest vorticity: "]),
    "particles": ("events.root", ["Jet_energy", "leading pairs per 20 GeV: ["]),
    "sky": ("field.fits", ["SCI", "median of the corner: ", "its reference pixel: ["]),
}


@pytest.mark.parametrize("field", TOLD)
def test_a_script_needs_the_field_s_library_and_a_compressed_file(field: str, tmp_path: Path) -> None:
    name, told = TOLD[field]
    make = (EXAMPLES / field / "make_input.py").read_text(encoding="utf-8")
    (tmp_path / "make_input.py").write_text(make, encoding="utf-8")
    subprocess.run([sys.executable, tmp_path / "make_input.py"], check=True, cwd=tmp_path)
    baler_core.compress(
        tmp_path / name, tmp_path / "a.bal", bounds={"*": {"rel": 1e-3}}, model={"name": "auto", "effort": "fast"}
    )
    (tmp_path / name).unlink()
    script = EXAMPLES / field / "analyse.py"
    done = subprocess.run([sys.executable, script, tmp_path / "a.bal"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [text for text in told if text not in done.stdout] == []
