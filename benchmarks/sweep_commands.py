"""Runs the command line in processes forked from one that has loaded all that it needs, which takes longer than small files do."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path
from typing import NoReturn

_LOADED = [
    "numpy",
    "pydantic",
    "astropy.io.fits",
    "astropy.table",
    "uproot",
    "awkward",
    "h5py",
    "hdf5plugin",
    "netCDF4",
]
_OWN = [
    "cli.steps",
    "cli.restoring",
    "config.checker",
    "pipeline.many.task",
    "pipeline.choose",
    "api.by_name",
    "builtin.offered",
]
PATIENCE = 20
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([*_LOADED, *(f"baler_core.{name}" for name in _OWN)])


def command(words: list[str], folder: Path, seconds: float) -> tuple[int | None, str]:
    """Run baler with `words` in `folder`: its exit code (None: no end in time), and what it wrote to standard error.

    The time is that of processors; one that waits is given up after `PATIENCE` times as long.
    """
    process = _PROCESSES.Process(target=_baler, args=(words, folder, int(seconds)))
    process.start()
    process.join(PATIENCE * seconds)
    late = process.is_alive()
    if late:
        process.kill()
        process.join()
    said = (folder / "said.txt").read_text(errors="replace") if (folder / "said.txt").exists() else ""
    return None if late or process.exitcode == -signal.SIGXCPU else process.exitcode, said


def _baler(words: list[str], folder: Path, seconds: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    os.chdir(folder)
    for number, name in ((1, "told.txt"), (2, "said.txt")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    sys.argv = ["baler", *words]
    from baler_core.__main__ import main

    main()
