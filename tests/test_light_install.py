"""Without torch, matplotlib and jinja2 all works but autoencoders and pictures, and a sentence says what brings these."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.plugin.registry import load_plugins

ROOT = Path(__file__).resolve().parents[1]
AUTOENCODER = ROOT / "tests" / "golden" / "dense_autoencoder-0.1.0.bal"
# What a Python without the extras does, run before anything else.
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "matplotlib", "jinja2", "PIL"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""
MODELS = """
import json
from pathlib import Path
import numpy as np
import baler_core

with np.load("arrays.npz") as stored:
    arrays = {name: stored[name] for name in stored.files}
table = {name: arrays[name] for name in ("a", "b", "c")}
done = {}
for name, data in (
    ("scalar", table), ("table", table), ("transform", arrays["field"]), ("predictive", arrays["field"]),
    ("exact", {"text": arrays["text"]}),
):
    model = {"name": "table", "network": "on"} if name == "table" else name
    compressed = baler_core.compress(data, f"{name}.bal", model=model, bounds={"abs": 0.01})
    done[name] = list(compressed.models.values())
    restored = baler_core.open(f"{name}.bal", as_="original")
    for key, values in data.items() if isinstance(data, dict) else [("", data)]:
        after = restored[key] if key else restored
        if values.dtype.kind == "f":
            assert 0 < abs(after.astype("f8") - values).max() <= 0.01, name
        else:
            assert after.tolist() == values.tolist(), name
Path("done.json").write_text(json.dumps(done))
"""


COMMANDS = """
import contextlib, io, json
from baler_core.cli import main

found = {}
for name, arguments in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main(arguments)
        except SystemExit as stopped:
            found[name] = [stopped.code, out.getvalue(), err.getvalue()]
print(json.dumps(found))
"""
NEEDED = "needs torch, which is not installed: pip install 'baler-core[networks]'"


class Done(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def light(code: str, *arguments: object, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own."""
    environment = {**os.environ, "BALER_STRICT_PLUGINS": "1", **({"PYTHONPATH": path} if path else {})}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arrays of every kind, and configurations for all metrics that need no options, and for an autoencoder."""
    folder = tmp_path_factory.mktemp("light")
    rng = np.random.default_rng(5)
    a = rng.normal(size=3000)
    y, x = np.mgrid[:24, :24]
    field = np.array([np.sin(x / 5 + t / 4) * np.cos(y / 6) for t in range(8)]).astype("f4")
    text = np.array([f"run {number % 7}" for number in range(50)])
    columns = {"a": a, "b": 2 * a + 0.1 * rng.normal(size=a.size), "c": a**2}
    np.savez(folder / "arrays.npz", **columns, field=field, text=text)
    start = 'input: arrays.npz\nbounds: {"*": {abs: 0.01}}\noutput: out\n'
    (folder / "plain.yaml").write_text(
        f"{start}metrics: [{', '.join(metrics())}]\nmodel: {{name: auto, effort: fast}}\n"
    )
    (folder / "network.yaml").write_text(f"{start}model: dense_autoencoder\n".replace("out\n", "network\n"))
    (folder / "out").mkdir()
    (folder / "out" / "report.html").write_text("of an earlier run")
    return folder


def metrics() -> list[str]:
    """All metrics, those of plugins too, that need no options."""
    registry = load_plugins()
    options = {name: registry.metric(name).Options.model_fields.values() for name in registry.names("metric")}
    return [name for name, fields in options.items() if not any(field.is_required() for field in fields)]


@pytest.fixture(scope="module")
def done(folder: Path) -> dict[str, Done]:
    """What commands said where the extras are missing."""
    commands = {
        "run": "run plain.yaml",
        "info": "info out/arrays.bal",
        "verify": "verify out/arrays.bal",
        "evaluate": "evaluate arrays.npz out/arrays.bal -o again",
        "plot": "plot out",
        "programs": "run plain.yaml --json -o programs",
        **{f"network {name}": f"{name} network.yaml" for name in ("run", "train", "compress", "check")},
        "stored info": f"info {AUTOENCODER}",
        "stored decompress": f"decompress {AUTOENCODER} -o x.npz",
        "stored verify": f"verify {AUTOENCODER}",
    }
    stated = json.dumps({name: shlex.split(command) for name, command in commands.items()})
    ended = light(HIDE + COMMANDS, stated, folder=folder)
    assert ended.returncode == 0, ended.stderr
    return {name: Done(*found) for name, found in json.loads(ended.stdout).items()}


def test_automatic_models_make_the_same_bytes_without_the_extras(folder: Path) -> None:
    bare = light(HIDE + MODELS, folder=folder)
    assert bare.returncode == 0, bare.stderr
    names = {model.name for model in load_plugins().automatic_models()}
    assert json.loads((folder / "done.json").read_text()) == {name: [name] for name in names}
    files = {name: (folder / f"{name}.bal").read_bytes() for name in names}
    assert light(MODELS, folder=folder).returncode == 0
    assert {name: (folder / f"{name}.bal").read_bytes() for name in names} == files


def test_all_but_the_report_is_made(done: dict[str, Done], folder: Path) -> None:
    assert {done[name].code for name in ("run", "info", "verify", "evaluate", "programs")} == {0}
    written = {path.name for path in (folder / "out").iterdir()} - {"report.html", "plots"}
    assert written == {"arrays.bal", "arrays.restored.npz", "report.json", "report.npz"}
    results = json.loads((folder / "out" / "report.json").read_text())
    assert {outcome["name"]: outcome["problem"] for outcome in results["metrics"]} == dict.fromkeys(metrics(), "")
    (record,) = json.loads(done["programs"].out)["files"]
    assert (record["report"], record["results"]) == (None, "programs/report.json")
    assert {path.name for path in (folder / "again").iterdir()} == {"report.json", "report.npz"}
    assert "wrote again/report.json" in done["evaluate"].out


def test_what_is_missing_is_said_and_the_advice_works(
    done: dict[str, Done], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "!!!\nNO REPORT.HTML AND NO PLOTS\n" in done["run"].out
    (sentence,) = [line for line in done["run"].out.splitlines() if "matplotlib" in line]
    assert "needs matplotlib and jinja2, which are not installed: pip install 'baler-core[report]'" in sentence
    assert "report.html of an earlier run is removed" in sentence
    assert "pip install 'baler-core[report]'. Then run this command again" in done["evaluate"].out
    assert "NO REPORT.HTML" in done["programs"].err
    needed = "drawing needs matplotlib, which is not installed: pip install 'baler-core[report]'"
    assert done["plot"] == (1, "", f"baler: error: {needed}\n")

    assert not (folder / "out" / "report.html").exists()
    program, *advised = shlex.split(sentence.split("Then: ")[1])
    assert program == "baler"
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as caught:
        main(advised)
    assert caught.value.code == 0
    assert (folder / "out" / "report.html").stat().st_size > 10_000
    assert list((folder / "out" / "plots").glob("*.png"))


def test_an_autoencoder_is_refused_before_anything_is_read(done: dict[str, Done], folder: Path) -> None:
    for name in ("train", "compress", "check", "run"):
        code, out, err = done[f"network {name}"]
        assert (code, out) == (1, "")
        assert err.splitlines()[-1] == f"baler: error: the model 'dense_autoencoder' {NEEDED}"
    assert not list(folder.glob("network/*"))


def test_a_file_of_an_autoencoder_is_described_and_not_restored(done: dict[str, Done], folder: Path) -> None:
    assert "dense_autoencoder" in done["stored info"].out
    error = f"baler: error: {AUTOENCODER}: the model 'dense_autoencoder' {NEEDED}\n"
    assert done["stored decompress"] == done["stored verify"] == (1, "", error)
    assert not list(folder.glob("x*"))


@pytest.mark.parametrize("raised", ["OSError('libcudart.so: cannot open')", "ImportError('libcudart.so: cannot open')"])
def test_a_damaged_package_is_not_called_missing(tmp_path: Path, raised: str) -> None:
    (tmp_path / "torch.py").write_text(f"raise {raised}")
    code = "from baler_core.machine.optional import need; need('it', 'torch')"
    done = light(code, folder=tmp_path, path=str(tmp_path))
    assert "MissingPackage: it needs torch, which cannot be imported (libcudart.so: cannot open)." in done.stderr


IMPORT_NAMES = {"pyyaml": "yaml", "baler-core": "baler_core", "pillow": "PIL", "dask-awkward": "dask_awkward"}
# Needed only by who has objects of it already.
BROUGHT_BY_USERS = {"cftime"}


def imported(folder: Path) -> Iterator[str]:
    """Packages that the modules of a folder import, anywhere in them."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            yield from (name.partition(".")[0] for name in names)


def stated(folder: Path) -> tuple[set[str], set[str]]:
    """What a distribution requires, and what its extras bring, by the names they are imported under."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    required, optional = (
        {line.partition("[")[0].partition(">")[0] for line in lines} for lines in (project["dependencies"], extras)
    )
    return {IMPORT_NAMES.get(name, name) for name in required}, {IMPORT_NAMES.get(name, name) for name in optional}


@pytest.mark.parametrize(
    "name", ["baler_core", "baler_root", "baler_hdf5", "baler_fits", "baler_parquet", "baler_zarr", "baler_vtk"]
)
def test_what_is_imported_is_what_is_stated(name: str) -> None:
    folder = ROOT if name == "baler_core" else ROOT / "plugins" / name
    used = set(imported(folder / name)) - set(sys.stdlib_module_names) - {name}
    required, optional = stated(folder)
    known = required | optional if name == "baler_core" else required | optional | set().union(*stated(ROOT))
    assert not required - used, "required, and never imported"
    assert not used - known - BROUGHT_BY_USERS, "imported, and neither required nor in an extra"


NEEDLESS = ("pydantic", "pluggy", "importlib.metadata", "pandas", "xarray", "scipy", "torch")


@pytest.mark.parametrize(
    "code",
    [
        "main(['decompress', {file!r}, '-o', 'restored.npz'])",
        "main(['info', {file!r}])",
        "import baler_core; baler_core.open({file!r}, as_='numpy')['energy']",
    ],
)
@pytest.mark.parametrize("name", ["table", "table of an effort", "predictive"])
def test_small_files_are_restored_without_what_checks_options(name: str, code: str, tmp_path: Path) -> None:
    if name == "table of an effort":
        file = str(tmp_path / "fast.bal")
        arrays = {"energy": np.random.default_rng(1).exponential(size=200).astype("f4")}
        baler_core.compress(arrays, file, bounds={"*": {"rel": 1e-2}}, model={"name": "table", "effort": "fast"})
    else:
        file = str(ROOT / "tests" / "golden" / f"{name}-0.1.0.bal")
    said = "print(*[name for name in {needless} if name in sys.modules])"
    command = (
        "import sys\nfrom baler_core.cli import main\ntry:\n    "
        + code.format(file=file)
        + "\nexcept SystemExit as ended:\n    assert not ended.code\n"
        + said.format(needless=NEEDLESS)
    )
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
