"""`baler new-plugin`: the package that it writes works, passes its own tests and is well written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from baler_core.cli import main
from baler_core.cli.scaffolding import KINDS


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def install(folder: Path, site: Path) -> dict[str, str]:
    """Put the package where an installer leaves it; the environment in which it is found."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["baler"].items())
    (info / "entry_points.txt").write_text(f"[baler]\n{entries}")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(folder)])}


@pytest.mark.parametrize("kinds", [KINDS, ("metric",)], ids=["all", "one"])
def test_a_new_package_passes_its_tests(kinds: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "package"
    options = [word for kind in kinds for word in ("--kind", kind)]
    assert run("new-plugin", "sea_ice", *options, "-o", folder) == 0
    environment = install(folder, tmp_path / "site")
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(tests, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "baler_core", "plugins", "--json"],
        env=environment,
        capture_output=True,
        text=True,
    )
    components = json.loads(listed.stdout)["components"]
    assert {c["kind"] for c in components if c["package"] == "baler-sea-ice"} == set(kinds)
    rules = ["--line-length", "120", "--isolated"]
    for check in (["check", "--select", "E,F,W,UP,B"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *check, *rules, "."], cwd=folder, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["Ice", "9lives", "a-b", "x", "class", "../etc", "a" * 41])
def test_a_name_that_python_cannot_import_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new-plugin", name) == 1
    assert "cannot be the name of a plugin" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package").mkdir()
    assert run("new-plugin", "ice", "-o", tmp_path / "package") == 1
    assert "already exists" in capsys.readouterr().err
    assert not list((tmp_path / "package").iterdir())
