"""Ctrl-C and SIGTERM end a command within seconds, with 130 or 143 and no traceback, whatever drops them on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Where the tests themselves run in the background, Ctrl-C is ignored, and children inherit that.
HEED = "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
# A command in place of the real ones, stopped by itself; what cleans up gets half a second.
COMMAND = (
    HEED
    + """
from baler_core import cli
from baler_core.__main__ import main
from baler_core.cli import failures, options, stopping
stopping._SECONDS_TO_CLEAN_UP = 0.5
cli.main = lambda: sys.exit(failures.guarded(options.Session(), command))
def stop():
    signal.raise_signal(int(sys.argv[1]))
"""
)
BOTH = (signal.SIGINT, signal.SIGTERM)


def stopped(code: str, number: signal.Signals) -> tuple[str, float]:
    """What a process prints that stops itself, and the seconds it took once it was stopped."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(int(number))], capture_output=True, text=True, check=False, timeout=60
    )
    ended = time.monotonic()
    assert done.returncode == 128 + number
    assert done.stderr in ("baler: stopped\n", "baler: terminated\n")
    *_, start = [ended, *(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("at "))]
    return done.stdout, ended - start


@pytest.mark.parametrize("number", BOTH)
def test_while_the_package_is_imported(number: signal.Signals) -> None:
    code = """
class Stopping:
    def find_spec(self, name, path=None, target=None):
        if name == "baler_core.cli":
            signal.raise_signal(int(sys.argv[1]))
sys.meta_path.insert(0, Stopping())
from baler_core.__main__ import main
main()
"""
    stopped(HEED + code, number)


DROPPING = {
    "caught": """
def once():
    try:
        stop()
    except BaseException:
        pass
""",
    "caught while something is handled": """
def once():
    try:
        {}["missing"]
    except KeyError:
        try:
            stop()
        except BaseException:
            pass
        time.sleep(20)
""",
    "in a destructor": """
class Slow:
    def __del__(self):
        stop()
def once():
    Slow()
""",
    "where C asks whether an attribute is there": """
import numpy
class Asked:
    @property
    def __array_interface__(self):
        stop()
        raise AttributeError
    __array_struct__ = __array__ = __array_interface__
def once():
    try:
        {}.get(Asked)
        numpy.asarray(Asked())
    except BaseException:
        pass
""",
    "printed by C, as in imports of numpy": """
def once():
    try:
        stop()
    except BaseException:
        sys.excepthook(*sys.exc_info())
""",
    "in an import that is given up": """
class Stopping:
    def find_spec(self, name, path=None, target=None):
        if name == "rarely_there":
            stop()
sys.meta_path.insert(0, Stopping())
def once():
    try:
        import rarely_there
    except:
        pass
""",
}


@pytest.mark.parametrize(
    ("dropping", "number"), [(code, BOTH[place % 2]) for place, code in enumerate(DROPPING.values())], ids=DROPPING
)
def test_what_is_dropped_is_raised_again(dropping: str, number: signal.Signals) -> None:
    command = """
def command():
    print("at", time.monotonic(), flush=True)
    once()
    for _ in range(3000):
        time.sleep(0.01)
    print("done")
main()
"""
    shown, seconds = stopped(COMMAND + dropping + command, number)
    assert "done" not in shown
    assert seconds < 8


def test_a_thread_that_never_ends_is_not_waited_for() -> None:
    code = """
import threading
from concurrent.futures import ThreadPoolExecutor
def command():
    print("at", time.monotonic(), flush=True)
    with ThreadPoolExecutor() as pool:
        pool.submit(threading.Event().wait)
        stop()
main()
"""
    _, seconds = stopped(COMMAND + code, signal.SIGTERM)
    assert seconds < 8


def test_clean_up_is_given_time_and_not_broken_off() -> None:
    code = """
def command():
    stopping._SECONDS_TO_CLEAN_UP = 5
    try:
        stop()
    finally:
        try:
            {}["missing"]
        except KeyError:
            time.sleep(1)
        print("cleaned up")
main()
"""
    assert stopped(COMMAND + code, signal.SIGINT)[0] == "cleaned up\n"


def test_a_job_in_the_background_goes_on(tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code += "def command():\n    stop()\n    print('done')\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND + code, "2"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize("number", BOTH)
def test_once_a_command_is_done_its_exit_code_stands(number: signal.Signals) -> None:
    code = """
class Last:
    def __del__(self, stop=signal.raise_signal, number=int(sys.argv[1])):
        stop(number)
last = Last()
def command():
    print("done")
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND + code, str(int(number))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
