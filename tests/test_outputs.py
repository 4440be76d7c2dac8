"""Outputs: complete or not there at all, never in place of what is needed, links and pipes as users expect them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baler_core.cli import main
from baler_core.errors import DataError
from baler_core.machine.atomic_write import completed
from baler_core.pipeline.replacing import refuse_needed

CONFIG = 'input: a.npz\nbounds: {"*": lossless}\nmodel: scalar\noutput: out\n'


def run_main(*arguments: object) -> int:
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a data file and its configuration."""
    np.savez(tmp_path / "a.npz", x=np.arange(100.0), y=np.linspace(0, 1, 100))
    (tmp_path / "a.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [("compress", "a.yaml"), ("train", "a.yaml"), ("decompress", "out/a.bal")], ids=lambda c: str(c[0])
)
def test_a_named_file_that_is_there_is_replaced_only_when_forced(
    folder: Path, command: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("compress", "a.yaml") == 0
    mine = folder / ("mine.npz" if command[0] == "decompress" else "mine")
    mine.write_text("precious")
    assert run_main(*command, "-o", mine) == 1
    assert mine.read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert run_main(*command, "-o", mine, "--force") == 0
    assert mine.read_bytes()[:3] != b"pre"


def test_a_new_folder_is_told_where_its_name_may_be_misspelt(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "a.yaml") == 0
    assert "new" not in capsys.readouterr().err
    commands = ((".npz", "decompress", "out/a.bal"), (".bal", "compress", "a.yaml"), (".yaml", "init", "a.npz"))
    for n, (suffix, *command) in enumerate(commands):
        assert run_main(*command, "-o", f"deep/{n}/a{suffix}") == 0
        assert f"the folder deep/{n} is new" in capsys.readouterr().err
        assert run_main(*command, "-o", f"deep/{n}/b{suffix}") == 0
        assert "is new" not in capsys.readouterr().err


def test_default_names_are_replaced(folder: Path) -> None:
    for _ in range(2):
        assert run_main("compress", "a.yaml") == 0
        assert run_main("decompress", "out/a.bal") == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.bal", "a.restored.npz"]


@pytest.mark.parametrize("needed", ["a.npz", "a.yaml", "m.balm"])
def test_what_the_command_reads_is_never_replaced(folder: Path, needed: str) -> None:
    assert run_main("train", "a.yaml", "-o", "m.balm") == 0
    before = (folder / needed).read_bytes()
    (folder / "link").symlink_to(needed)
    for name in (needed, "link"):
        assert run_main("compress", "a.yaml", "--model", "m.balm", "-o", name, "--force") == 1
    assert (folder / needed).read_bytes() == before


def test_the_model_that_a_file_refers_to_is_never_replaced(folder: Path) -> None:
    (folder / "a.yaml").write_text(CONFIG.replace("scalar", "{name: table, effort: fast}"))
    assert run_main("train", "a.yaml", "-o", "out/m.balm") == 0
    assert run_main("compress", "a.yaml", "--model", "out/m.balm", "--reference") == 0
    for name in ("out/m.balm", "out/a.bal"):
        before = (folder / name).read_bytes()
        assert run_main("decompress", "out/a.bal", "-o", name, "--force") == 1
        assert (folder / name).read_bytes() == before


@pytest.mark.parametrize("name", ["report.html", "report.json", "report.npz", "plots/x.png"])
def test_reports_do_not_replace_what_is_needed_through_links(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (folder / "a.npz", folder / "a.yaml")}
    for number, target in enumerate(before):
        link = folder / "out" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target) if number else link.hardlink_to(target)
        assert run_main("run", "a.yaml") == 1
        link.unlink()
        assert f"{name} is a file that this command needs" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("target", ["nowhere", "out"])
def test_a_folder_that_is_a_link_to_nowhere_is_told(
    folder: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").symlink_to(target)
    for command in (("run", "a.yaml"), ("compress", "a.yaml"), ("compress", "a.yaml", "-o", "out/x.bal")):
        assert run_main(*command) == 1
        assert "out is a link that leads nowhere" in capsys.readouterr().err
    (folder / "out").unlink()


def test_a_file_where_figures_go_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out/plots").write_text("mine")
    assert run_main("run", "a.yaml") == 1
    assert "out/plots is not a folder" in capsys.readouterr().err
    assert (folder / "out/plots").read_text() == "mine"


def test_a_limit_of_the_size_of_files_is_told(folder: Path) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    code += "from baler_core.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, "compress", "a.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "exceeds the size limit" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((folder / "out").iterdir()) == []


def test_inputs_of_undecodable_names_are_compressed_and_reported(folder: Path) -> None:
    name = os.fsdecode(b"in\n\xff\x1b.npz")
    (folder / "a.npz").rename(folder / name)
    assert run_main("run", "a.yaml", "--input", name) == 0
    [made] = list((folder / "out").glob("*.bal"))
    assert run_main("verify", made) == 0


def test_links_are_followed(folder: Path) -> None:
    (folder / "store").mkdir()
    for target in ("store/there.bal", "store/not_yet.bal"):
        link = folder / f"link-{Path(target).name}"
        link.symlink_to(target)
        if "there" in target:
            (folder / target).write_text("old")
        assert run_main("compress", "a.yaml", "-o", link.name, "--force") == 0
        assert link.is_symlink()
        assert (folder / target).read_bytes()[:4] == b"\x89BAL"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.npz/x.bal", "a.npz is a file"),
        ("a.npz/sub/x.bal", "a.npz is a file"),
        ("loop", "does not lead to a place"),
        ("socket", "not a file that can be replaced"),
        ("", "is empty: name a file"),
        ("x" * 256, "too long"),
    ],
)
def test_impossible_outputs_are_refused_in_one_sentence(
    name: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        before = sorted(folder.rglob("*"))
        assert run_main("compress", "a.yaml", "-o", name, "--force") == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["x" * 251 + ".bal", "two\nlines.bal"])
def test_strange_names_are_names(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "a.yaml", "-o", name) == 0
    assert (folder / name).read_bytes()[:4] == b"\x89BAL"
    assert run_main("compress", "a.yaml", "-o", name) == 1
    assert capsys.readouterr().err.rstrip().count("\n") <= 2


def test_undecodable_names_are_names(folder: Path) -> None:
    command = [sys.executable, "-m", "baler_core", "compress", "a.yaml", "-o", b"\xff\xfe.bal"]
    assert [subprocess.run(command, capture_output=True, check=False).returncode for _ in range(2)] == [0, 1]
    assert b"\xff\xfe.bal" in os.listdir(os.fsencode(folder))


def test_a_descriptor_is_written_to_or_refused(folder: Path) -> None:
    with (folder / "there").open("wb") as there, (folder / "gone").open("wb") as gone:
        (folder / "gone").unlink()
        assert run_main("compress", "a.yaml", "-o", f"/proc/self/fd/{there.fileno()}", "--force") == 0
        assert run_main("compress", "a.yaml", "-o", f"/proc/self/fd/{gone.fileno()}", "--force") == 1
    assert (folder / "there").read_bytes()[:4] == b"\x89BAL"
    assert not list(folder.glob("gone*"))


def test_importing_the_package_brings_in_nothing_else() -> None:
    code = "import sys, baler_core; print([m for m in sys.modules if m.startswith('baler_core.') or m == 'numpy'])"
    code += "; from baler_core import Reader, compress; print(len(set(baler_core.__all__)) == len(baler_core.__all__))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_a_pipe_is_written_through(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((folder / "pipe").read_bytes()))
    reader.start()
    assert run_main("compress", "a.yaml", "-o", "pipe") == 0
    reader.join(timeout=20)
    assert run_main("compress", "a.yaml") == 0
    assert received == [(folder / "out/a.bal").read_bytes()]
    assert (folder / "pipe").is_fifo()


def test_a_dash_is_standard_output(folder: Path) -> None:
    for command, written in (("compress a.yaml", "out/a.bal"), ("decompress out/a.bal", "out/a.restored.npz")):
        assert run_main(*command.split()) == 0
        done = subprocess.run(
            [sys.executable, "-m", "baler_core", *command.split(), "-o", "-"], capture_output=True, check=True
        )
        assert done.stdout == (folder / written).read_bytes()
        assert b"wrote standard output" in done.stderr
    assert not (folder / "-").exists()
    assert run_main("compress", "a.yaml", "-o", "-", "--json") == 1


def test_pipes_are_no_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(folder / "pipe.npz")
    os.mkfifo(folder / "pipe.bal")
    os.mkfifo(folder / "pipe.yaml")
    assert run_main("compress", "a.yaml", "--input", "pipe.npz") == 1
    assert run_main("decompress", "pipe.bal") == 1
    assert run_main("check", "pipe.yaml") == 1
    assert capsys.readouterr().err.count("pipe or a device") == 3


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "x.bal"
    together = threading.Barrier(4)

    def write(text: str) -> None:
        with completed(target) as temporary:
            together.wait()
            temporary.write_text(text * 1000)
            together.wait()

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert target.read_text() in {letter * 1000 for letter in "abcd"}
    assert list(tmp_path.iterdir()) == [target]


def test_what_dead_writers_left_is_removed_and_what_live_ones_hold_is_kept(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from baler_core.machine.atomic_write import completed\n"
    code += "with completed(Path('x.bal')) as t:\n t.write_text('half'); print('ready', flush=True); sys.stdin.read()\n"
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": tmp_path, "text": True}
    with subprocess.Popen(command, **pipes) as dead, subprocess.Popen(command, **pipes) as alive:  # type: ignore[call-overload]
        for process in (dead, alive):
            assert process.stdout.readline() == "ready\n"
        dead.kill()
        dead.wait()
        assert len(list(tmp_path.glob(".partial-*"))) == 2
        with completed(tmp_path / "y.bal") as temporary:
            temporary.write_text("whole")
        assert len(list(tmp_path.glob(".partial-*"))) == 1
        alive.stdin.close()
        alive.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.bal", "y.bal"]


@pytest.mark.parametrize("moves", [1, 2])
def test_a_signal_while_a_folder_is_replaced_leaves_the_old_or_the_new_one(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = os.replace, []

    def replace(old: Path, new: Path) -> None:
        real(old, new)
        done.append(new)
        if len(done) == moves:
            raise KeyboardInterrupt

    store = tmp_path / "x.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("old")

    def write() -> None:
        with completed(store, over_folder=True) as temporary:
            temporary.mkdir()
            (temporary / "zarr.json").write_text("new")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert (store / "zarr.json").read_text() == ("old", "new")[moves - 1]
    assert list(tmp_path.iterdir()) == [store]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_signal_while_half_a_file_is_removed_leaves_nothing(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = shutil.rmtree, []

    def rmtree(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise error
        real(*arguments, **options)

    def fail() -> None:
        with completed(tmp_path / "x.bal") as temporary:
            temporary.write_text("half")
            raise ValueError("stop")

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.bal"
    target.write_text("old")

    def fail() -> None:
        with completed(target) as temporary:
            temporary.write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "command",
    ["init", "suggest", "predict", "check", "compress", "run", "train", "scan", "compare", "info", "verify",
     "decompress", "export", "plot"],
)  # fmt: skip
def test_an_empty_name_is_told_and_a_folder_too(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "folder").mkdir()
    before = sorted(folder.rglob("*"))
    assert run_main(command, "") == 1
    shown = capsys.readouterr().err
    assert "is empty: name a file" in shown
    assert run_main(command, "folder") == 1
    shown += capsys.readouterr().err
    assert "folder" in shown
    assert shown.count("\n") == 2
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", ["scan", "compare"])
def test_results_named_with_o_replace_a_file_of_others_only_when_forced(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine").write_text("precious")
    assert run_main(command, "a.yaml", "-o", "mine") == 1
    assert "mine already exists: choose another name with -o, or replace it with --force" in capsys.readouterr().err
    assert (folder / "mine").read_text() == "precious"


@pytest.mark.parametrize(
    "command", ["scan a.yaml", "compare a.yaml", "run a.yaml", "evaluate a.npz a.npz", "new-plugin lidar --kind model"]
)
def test_what_standard_output_cannot_take_is_told(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert run_main(*command.split(), "-o", "-") == 1
    assert "-o - means standard output, which cannot take" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_init_writes_to_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("init", "a.npz", "-o", "-") == 0
    (folder / "b.yaml").write_text(capsys.readouterr().out)
    assert run_main("check", "b.yaml") == 0
    assert not (folder / "-").exists()


def test_no_output_lies_in_a_folder_that_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = folder / "in.zarr"
    (store / "deep").mkdir(parents=True)
    for target in (store / "a.bal", store / "deep" / "a.bal", folder / "link" / "a.bal"):
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to(store)
        with pytest.raises(DataError, match="which is an input"):
            refuse_needed(target, [store], "choose another name")
    refuse_needed(folder / "a.bal", [store], "choose another name")
