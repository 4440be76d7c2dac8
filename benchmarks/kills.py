"""Stops `baler` at random moments, by Ctrl-C, SIGTERM or SIGKILL, and looks at what it leaves behind.

    python benchmarks/kills.py --cases 300 --seed 1

Each case works on a small input from the beginning, by one of several commands, in a folder of its own, and stops it
somewhere between Python's start and some time after the usual end. Then: the exit code is 130, 143 or the signal's, or
that of a command that was done, and comes within seconds; there is no traceback; what is there under a final name is
whole; `.partial-*` is there only after SIGKILL, and gone after the next run, which succeeds; no process is left.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from baler_core.errors import BalerError
from baler_core.format.file_info import read_info
from baler_core.pipeline.decompression import verify
from baler_core.plugin.registry import load_plugins

REGISTRY = load_plugins()
COMMANDS = {
    "compress": ["compress", "a.yaml", "-o", "out/new.bal"],
    "decompress": ["decompress", "a.bal", "-o", "out/new.npz"],
    "run": ["run", "a.yaml"],
    "info": ["info", "a.bal"],
    "many": ["compress", "many.yaml", "--workers", "2"],
    "blocks": ["compress", "blocks.yaml", "-o", "out/new.bal", "--workers", "2"],
    "restore": ["decompress", "blocks.bal", "-o", "out/new.npz", "--workers", "2"],
    "train": ["train", "a.yaml", "-o", "out/new.balm"],
    "verify": ["verify", "a.bal"],
    "evaluate": ["evaluate", "a.npz", "a.bal", "-o", "out"],
    "init": ["init", "a.npz", "-o", "out/new.yaml"],
}
MARK = "BALER_KILLS_FOLDER"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
MOST_SECONDS = 5
"""A command may go on for so long once it is stopped, or on a busy machine for half of what it usually takes."""
CONFIG = 'input: a.npz\nbounds: {"*": {abs: 0.01}}\nmodel: scalar\noutput: out\n'


def baler(arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start the command in a folder."""
    program = [sys.executable, "-c", "from baler_core.__main__ import main; main()"]
    program.insert(1, "-Xfaulthandler")
    environment = {**os.environ, MARK: str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*program, *arguments], cwd=folder, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


def left_running(folder: Path) -> list[str]:
    """Return the processes that still work for a case, some seconds after its command has ended."""
    mark = f"{MARK}={folder}".encode()
    until = time.monotonic() + MOST_SECONDS
    while True:
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # gone by now, or of others
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    found.append(place.name)
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def prepared(folder: Path) -> None:
    """A small input, its configuration, and a file to restore."""
    random = np.random.default_rng(1)
    np.savez(folder / "a.npz", x=random.normal(size=20_000), y=np.cumsum(random.normal(size=(8, 40, 50)), axis=0))
    (folder / "a.yaml").write_text(CONFIG)
    shutil.copy(folder / "a.npz", folder / "b.npz")
    (folder / "many.yaml").write_text(CONFIG.replace("a.npz", "[a.npz, b.npz]"))
    (folder / "blocks.yaml").write_text(f"{CONFIG}block_size: 8 kB\n")
    finished(["compress", "a.yaml", "-o", "a.bal"], folder)
    finished(["compress", "blocks.yaml", "-o", "blocks.bal"], folder)


def finished(arguments: list[str], folder: Path) -> float:
    """Run a command to its end; the seconds it took."""
    start = time.perf_counter()
    _, errors = (process := baler(arguments, folder)).communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    return time.perf_counter() - start


def stopped(name: str, template: Path, seconds: float, random: np.random.Generator) -> str:
    """One case: how it ended."""
    number = list(CODES)[int(random.integers(3))]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "case"
        shutil.copytree(template, folder)
        process = baler(COMMANDS[name], folder)
        time.sleep(random.uniform(0.0, 1.1 * seconds))
        process.send_signal(number)
        sent = time.perf_counter()
        try:
            _, said = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            raise AssertionError(f"{number.name}: hangs\n{process.communicate()[1].decode()}") from None
        text = said.decode(errors="replace")
        if "Traceback" in text and "baler_core" not in text and "main()" not in text:
            return "before the first line of ours"
        assert "Traceback" not in text, text
        if process.returncode == -number and number != signal.SIGKILL and not text:
            return "before the first line of ours"
        assert process.returncode in (0, CODES[number]), f"{number.name}: {process.returncode}: {text}"
        took = time.perf_counter() - sent
        assert took < max(MOST_SECONDS, 0.5 * seconds), (
            f"{number.name}: {took:.1f} s until {process.returncode}: {text}"
        )
        assert not (left_processes := left_running(folder)), f"{number.name} left the processes {left_processes}"
        whole(folder)
        left = list(folder.rglob(".partial-*"))
        assert number == signal.SIGKILL or not left, f"{number.name} left {left}"
        if left and any(path.parent == folder / "out" for path in left):
            finished([*COMMANDS[name], *(["--force"] if "-o" in COMMANDS[name] else [])], folder)
            assert not list(folder.rglob(".partial-*")), "what was left is still there after the next run"
        return f"{name} {number.name} {process.returncode}"


def whole(folder: Path) -> None:
    """Check every file under a final name."""
    for path in folder.rglob("*"):
        if path.is_dir() or any(part.startswith(".partial-") for part in path.parts):
            continue
        data = path.read_bytes()
        if path.suffix == ".bal":
            verify(path, REGISTRY)
        elif path.suffix == ".balm":
            read_info(path)
        elif path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None, path.name
        elif path.suffix in (".json", ".balset"):
            json.loads(data)
        elif path.suffix == ".html":
            assert data.rstrip().endswith(b"</html>"), path.name
        elif path.suffix == ".png":
            assert data.endswith(b"IEND\xaeB`\x82"), path.name
        elif path.suffix == ".pdf":
            assert data.rstrip().endswith(b"%%EOF"), path.name
        else:
            assert path.suffix == ".yaml", f"strange file: {path.name}"


def main() -> None:
    """Run what the command line asks for, print counts, and fail if anything did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(COMMANDS), help="this command alone")
    asked = parser.parse_args()
    # Where this runs in the background, Ctrl-C is ignored, and commands would inherit that: they would heed none.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes: collections.Counter[str] = collections.Counter()
    failures = []
    with tempfile.TemporaryDirectory() as place:
        template = Path(place)
        prepared(template)
        usual = {}
        for name, arguments in COMMANDS.items():
            usual[name] = finished(arguments, template)
            shutil.rmtree(template / "out", ignore_errors=True)
        for case in range(asked.first, asked.first + asked.cases):
            random = np.random.default_rng([asked.seed, case])
            name = asked.only or list(COMMANDS)[int(random.integers(len(COMMANDS)))]
            try:
                outcome = stopped(name, template, usual[name], random)
                outcomes[outcome] += 1
                print(case, outcome, flush=True)
            except (AssertionError, BalerError, subprocess.TimeoutExpired) as error:
                failures.append(f"case {case} ({name}): {error}")
                print(failures[-1], flush=True)
    print(f"{asked.cases} kills of seed {asked.seed}, {len(failures)} failures:", dict(outcomes.most_common()))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
