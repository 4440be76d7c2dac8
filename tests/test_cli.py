"""The command line: what is loaded, exit codes, and what failures say."""

from __future__ import annotations

import errno
import json
import logging
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from baler_core.cli import main
from baler_core.cli.failures import guarded
from baler_core.cli.options import Session, messages_on_stderr
from baler_core.cli.text import bytes_text, print_json, print_table
from baler_core.errors import BoundBroken, DataError

HEAVY = ("torch", "matplotlib", "xarray", "pandas", "scipy", "numba", "uproot", "h5py", "astropy", "dask")


def run_main(*arguments: str) -> int:
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def modules_after(*arguments: str) -> set[str]:
    """Names of the heavy modules that a command loads, in a process of its own."""
    code = (
        "import sys\nfrom baler_core.cli import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit: pass\n"
        f"print('loaded', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_loads_nothing_heavy() -> None:
    assert modules_after("--help") == set()
    assert modules_after("run", "--help") == set()


def test_help_takes_less_than_half_a_second_of_the_processor() -> None:
    # Processor time, since wall-clock time depends on what else the machine does; the best of three.
    code = (
        "import sys, time\nfrom baler_core.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\nprint('took', time.process_time())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout.split()[-1]) for run in runs) < 0.5


def test_listing_plugins_loads_no_torch() -> None:
    assert not modules_after("plugins") & {"torch", "matplotlib"}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--help") == 0
    shown = capsys.readouterr().out
    for name in ("run", "train", "compress", "decompress", "evaluate", "plot", "info", "check", "init", "plugins"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("arguments", [["nothing"], ["run"], ["check", "--nothing", "c.yaml"], ["compress", "a", "b"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(*arguments) == 2
    assert "Usage: baler" in capsys.readouterr().err


def test_a_missing_configuration_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "run", "train", "compress"):
        assert run_main(command, "nowhere.yaml") == 1
        shown = capsys.readouterr()
        assert shown.err == "baler: error: nowhere.yaml: cannot read this configuration: No such file or directory\n"
        assert shown.out == ""


def test_check_tells_programs_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("inputs: a\nbounds: {x: {rel: -1}}\n")
    assert run_main("check", str(path), "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert {(p["line"], p["key"]) for p in answer["problems"]} >= {(1, "inputs"), (2, "bounds.x")}


def raises(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("a.root: no tree"), 1, "baler: error: a.root: no tree\n"),
        (KeyboardInterrupt(), 130, "baler: stopped\n"),
        (click.Abort(), 130, "baler: stopped\n"),
        (OSError(errno.ENOSPC, "No space left on device", "out.bal"), 1, "baler: error: out.bal: the disk is full. "),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/out.bal"),
            1,
            "baler: error: /x/out.bal: no permission. ",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a"), 1, "baler: error: a: No such file"),
        (MemoryError(), 1, "baler: error: not enough memory. "),
    ],
)
def test_what_the_user_can_fix_is_one_message_without_traceback(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(Session(), raises(error)) == code
    shown = capsys.readouterr().err
    assert shown.startswith(message)
    assert shown.count("\n") == 1


def test_a_broken_bound_is_our_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(Session(), raises(BoundBroken("pt: 0.2 > 0.1"))) == 3
    shown = capsys.readouterr().err
    assert "pt: 0.2 > 0.1" in shown
    assert "Please report it" in shown


def test_what_nobody_expected_shows_where_it_arose(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(Session(), raises(ZeroDivisionError("oops"))) == 70
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "baler: error: ZeroDivisionError: oops\nThis is a bug in baler." in shown


def test_traceback_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("check", "nowhere.yaml", "--traceback") == 1
    assert "Traceback" in capsys.readouterr().err
    assert run_main("--traceback", "check", "nowhere.yaml") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_request_to_end_unwinds_and_exits_with_143(tmp_path: Path) -> None:
    left: list[str] = []

    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            left.append("cleaned")

    before = signal.getsignal(signal.SIGTERM)
    assert guarded(Session(), command) == 143
    assert left == ["cleaned"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_error_that_clean_up_makes_of_a_signal_does_not_hide_it(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)

    def command() -> None:
        try:
            signal.raise_signal(number)
        except BaseException as stopped:
            raise OSError(errno.EBADF, "Bad file descriptor") from stopped

    # Ignored where the tests run in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert guarded(Session(), command) == 128 + number
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err in ("baler: stopped\n", "baler: terminated\n")


def test_warnings_are_single_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        logging.getLogger("baler_core.x").warning("left out %s", "y")
        logging.getLogger("baler_core.x").info("not shown")
        warnings.simplefilter("always")
        warnings.warn("two\nlines", UserWarning, stacklevel=1)

    assert guarded(Session(), command) == 0
    assert capsys.readouterr().err == "baler: warning: left out y\nbaler: warning: two lines\n"


def test_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("a", "1"), ("long", "22", "x")], header=("name", "n"))
    assert capsys.readouterr().out == "name  n\na     1\nlong  22  x\n"


def test_json_is_valid_whatever_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5, None], 3: True})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5, None], "3": True}


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (99_999, "99,999 B"), (123_456, "123.5 kB"), (2_500_000, "2.5 MB"), (7 * 10**9, "7 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert bytes_text(size) == text


def test_what_other_packages_log_is_a_warning_that_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    with messages_on_stderr():
        logging.getLogger("distributed.client").error("no scheduler")
        logging.getLogger("baler_root.reader").error("no tree")
    assert capsys.readouterr().err == "baler: warning: distributed: no scheduler\nbaler: error: no tree\n"
