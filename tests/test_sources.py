"""Files are read by ranges wherever they lie; what cannot be read, is cut short or has changed is said in one sentence."""

from __future__ import annotations

import builtins
import io
import pickle
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from mmap import PROT_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import PluginError, Settled, Source, SourceError, Tolerance
from baler_core.cli import main
from baler_core.errors import MissingPackage
from baler_core.machine.addresses import address_of
from baler_core.machine.byte_source import is_address, open_source

N = 20_000
DATA = {f"v{n}": np.random.default_rng(n).normal(size=N) for n in range(8)}


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sources") / "x.bal"
    baler_core.compress(DATA, path, bounds={"*": "lossless"}, model="exact", block_bytes=10 * N)
    return path


class Handler(BaseHTTPRequestHandler):
    """Serves one file, with ranges, without, or cut short; counts bytes."""

    def __init__(self, state: dict[str, Any], *arguments: Any) -> None:
        self.state = state
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, *, send: bool) -> None:
        data = self.state["data"]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        part, status = data, 200
        if "missing" in self.path or "secret" in self.path:
            part, status = b"", 404 if "missing" in self.path else 403
        elif wanted and self.state["ranges"]:
            start, stop = int(wanted[1]), int(wanted[2] or len(data) - 1) + 1
            part, status = data[start:stop][: self.state.get("most", len(data))], 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        if self.state["ranges"]:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if send:
            self.state["sent"] += len(part)
            self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(bal: Path) -> Iterator[dict[str, Any]]:
    pytest.importorskip("aiohttp")
    state: dict[str, Any] = {"data": bal.read_bytes(), "ranges": True, "sent": 0}
    found = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, state))
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    state["address"] = f"http://127.0.0.1:{found.server_port}"
    yield state
    found.shutdown()
    thread.join()
    found.server_close()


def test_only_what_is_needed_is_fetched(server: dict[str, Any]) -> None:
    file = baler_core.open_file(f"{server['address']}/x.bal")
    np.testing.assert_array_equal(file["v3"][100:300], DATA["v3"][100:300])
    assert server["sent"] < len(server["data"]) / 4


def test_a_server_that_ignores_ranges_gives_right_values(server: dict[str, Any]) -> None:
    server["ranges"] = False
    file = baler_core.open_file(f"{server['address']}/x.bal")
    for name in ("v3", "v1", "v7"):
        np.testing.assert_array_equal(file[name][100:300], DATA[name][100:300])
    assert server["sent"] < 1.1 * len(server["data"])  # it is kept


def test_a_remote_file_that_is_cut_short_or_missing(server: dict[str, Any]) -> None:
    address = f"{server['address']}/x.bal"
    with pytest.raises(OSError, match="nothing at this address"):
        baler_core.open_file(f"{server['address']}/missing.bal")
    with pytest.raises(SourceError, match=r"secret.bal: cannot be read: the server answers 403 Forbidden"):
        baler_core.open_file(f"{server['address']}/secret.bal")
    with pytest.raises(SourceError, match=r"cannot be read: ClientConnectorError"):
        baler_core.open_file("http://127.0.0.1:9/x.bal")
    whole = server["data"]
    server["data"] = whole[: len(whole) // 2]
    with pytest.raises(OSError, match="cut short"):
        baler_core.open_file(address)
    server["data"] = whole
    file = baler_core.open_file(address)
    server["most"] = 1000
    with pytest.raises(SourceError, match=r"cut short|cannot be read") as caught:
        file["v3"][100:300]
    assert "\n" not in str(caught.value)
    del server["most"]
    server["data"] = whole[:5] + bytes(len(whole) - 5)
    with pytest.raises((SourceError, baler_core.FormatError)):
        file["v5"][-100:]


def test_addresses_of_other_protocols(bal: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://folder/x.bal", "wb") as file:
        file.write(bal.read_bytes())
    np.testing.assert_array_equal(baler_core.open_file("memory://folder/x.bal")["v1"], DATA["v1"])
    np.testing.assert_array_equal(baler_core.open(f"file://{bal}", as_="original")["v2"], DATA["v2"])
    with pytest.raises(SourceError, match="nothing at this address"):
        baler_core.open_file("memory://folder/none.bal")
    with pytest.raises(SourceError, match="sorcery"):
        baler_core.open_file("sorcery://x.bal")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.split(".")[0] in ("s3fs", "aiobotocore"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return honest(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert issubclass(MissingPackage, ImportError)
    with pytest.raises(MissingPackage, match=r"pip install s3fs$"):
        open_source("s3://bucket/x.bal")


def test_addresses_of_xrootd_keep_the_slash_of_their_paths() -> None:
    wanted = "root://server.org//store/x.bal"
    assert address_of(Path(wanted)) == address_of(wanted) == wanted
    assert address_of(Path("https://server.org/x.bal")) == "https://server.org/x.bal"
    if find_spec("fsspec_xrootd") is None and find_spec("fsspec") is not None:
        with pytest.raises(MissingPackage, match=r"pip install fsspec-xrootd$"):
            open_source(wanted)


def test_bytes_and_file_objects(bal: Path) -> None:
    data = bal.read_bytes()
    for place in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(baler_core.open_file(place)["v0"][7:90], DATA["v0"][7:90])
    with bal.open("rb") as file:
        opened = baler_core.open_file(file)
        np.testing.assert_array_equal(opened["v0"][7:90], DATA["v0"][7:90])
    with pytest.raises(OSError, match="cannot be read"):
        opened["v4"][:]
    with pytest.raises(OSError, match="text"), bal.open("r", encoding="latin-1") as text:
        baler_core.open_file(text)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="file object cannot be sent"):
        pickle.dumps(baler_core.open_file(BrokenFile(data)))
    with pytest.raises(SourceError, match="cannot be read: EOFError: gone"):
        baler_core.open_file(BrokenFile(data))["v0"][:]
    with pytest.raises(TypeError, match="not int"):
        baler_core.open_file(7)  # type: ignore[arg-type]


class BrokenFile(io.BytesIO):
    """A file that cannot be pickled, and that fails behind its header as some library does that nobody expects."""

    def read(self, length: int | None = -1, /) -> bytes:
        if self.tell() < 4 or self.tell() > len(self.getbuffer()) - 70_000:
            return super().read(min(length or 0, 5000))  # less than was asked for
        raise EOFError("gone")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot pickle this")


def test_file_objects_go_to_other_processes_where_they_can(bal: Path, tmp_path: Path) -> None:
    copy = tmp_path / "x.bal"
    shutil.copyfile(bal, copy)
    with copy.open("rb") as file, copy.open("rb", buffering=0) as raw, mmap(file.fileno(), 0, prot=PROT_READ) as mapped:
        for place in (file, raw, io.BytesIO(copy.read_bytes())):
            again = pickle.loads(pickle.dumps(baler_core.open_file(place)))  # noqa: S301
            np.testing.assert_array_equal(again["v0"][7:90], DATA["v0"][7:90])
            again.close()
        np.testing.assert_array_equal(baler_core.open_file(mapped)["v0"][7:90], DATA["v0"][7:90])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cannot be sent"):
            pickle.dumps(baler_core.open_file(mapped))  # type: ignore[arg-type]
        copy.unlink()
        with pytest.raises(TypeError, match="cannot be sent"):
            pickle.dumps(baler_core.open_file(file))
    fsspec = pytest.importorskip("fsspec")
    again = pickle.loads(pickle.dumps(baler_core.open_file(fsspec.open(str(bal), "rb").open())))  # noqa: S301
    np.testing.assert_array_equal(again["v0"][7:90], DATA["v0"][7:90])


def test_a_file_that_changes_while_it_is_open(bal: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.bal"
    shutil.copyfile(bal, path)
    file = baler_core.open_file(path)
    with path.open("r+b") as changed:
        changed.seek(5)
        changed.write(bytes(path.stat().st_size - 400))
    with pytest.raises(OSError, match="has changed since it was opened"):
        file["v2"][:]
    file.close()
    with pytest.raises(OSError, match="closed"):
        file["v5"][:]


def test_places_and_names_that_are_not_there(bal: Path) -> None:
    file = baler_core.open_file(bal)
    with pytest.raises(KeyError, match=r"no variable 'V3'. Did you mean 'v3'"):
        file["V3"]
    for key in (N, -N - 1, [0, N], np.array([-N - 1]), np.zeros(3, bool), (0, 0)):
        with pytest.raises(IndexError, match="v3"):
            file["v3"][key]
    with pytest.raises(IndexError, match="there are no rows 5:20001"):
        file["v3"].rows(5, N + 1)
    with pytest.raises(FileNotFoundError, match="no such file"):
        baler_core.open_file(bal.with_name("none.bal"))
    with pytest.raises(baler_core.ConfigError, match="wanted a size"):
        baler_core.open_file(bal, cache="much")
    assert file.get("V3") is None


@pytest.mark.parametrize(
    ("place", "found"),
    [("https://a/b", True), ("s3://x", True), ("simplecache::https://x", True), ("C://x", False), ("a/b", False)],
)
def test_addresses_are_told_from_paths(place: str, found: bool) -> None:
    assert is_address(place) is found


def test_inputs_and_outputs_at_addresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fsspec = pytest.importorskip("fsspec")
    values = DATA["v0"][:500]
    with fsspec.open("memory://in/run.npz", "wb") as file:
        np.savez(file, x=values)
    done = baler_core.compress("memory://in/run.npz", "memory://out/run.bal")
    assert done.file_bytes == fsspec.filesystem("memory").info("/out/run.bal")["size"]
    np.testing.assert_array_equal(baler_core.open_file("memory://out/run.bal")["x"], values)
    baler_core.decompress("memory://out/run.bal", "memory://out/part.npz", rows=(3, 9))
    with fsspec.open("memory://out/part.npz", "rb") as file, np.load(file) as found:
        np.testing.assert_array_equal(found["x"], values[3:9])
    (tmp_path / "c.yaml").write_text(f"input: memory://in/run.npz\noutput: {tmp_path}\n")
    for arguments in (
        ["compress", str(tmp_path / "c.yaml"), "-o", "memory://out/again.bal"],
        ["info", "memory://out/again.bal"],
        ["verify", "memory://out/again.bal"],
        ["decompress", "memory://out/again.bal", "-o", str(tmp_path / "x.npz")],
    ):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    assert "memory://out/again.bal" in capsys.readouterr().out
    with np.load(tmp_path / "x.npz") as found:
        np.testing.assert_array_equal(found["x"], values)
    with pytest.raises(SystemExit, match="1"):
        main(["info", "memory://out/none.bal"])
    assert "nothing at this address" in capsys.readouterr().err


def test_limits_that_no_decoder_would_know_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(source: Source, tolerances: Mapping[str, Tolerance]) -> Settled:
        return Settled(source.schema, {name: replace(one, upper=(2.5,)) for name, one in tolerances.items()})

    np.savez(tmp_path / "a.npz", a=np.linspace(0, 2, 900))
    monkeypatch.setattr(Source, "settle", settle)
    with pytest.raises(PluginError, match=r"'a' could not be restored within its bound.*'stated_limits'"):
        baler_core.compress(tmp_path / "a.npz", tmp_path / "a.bal", bounds={"a": {"abs": 0.1}})
    assert not (tmp_path / "a.bal").exists()


@pytest.mark.parametrize("kind", ["path", "bytes", "object"])
def test_a_closed_file_says_so_however_short_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.bal"
    baler_core.compress({"x": np.arange(5.0), "y": np.arange(5)}, path)
    with path.open("rb") as handle:
        places = {"path": path, "bytes": path.read_bytes(), "object": handle}
        with baler_core.open_file(places[kind]) as file:
            assert file["x"][1] == 1
        for ask in (
            lambda: file["x"][:],
            lambda: file.rows(0, 2),
            lambda: file.to_pandas(),
            lambda: file["y"].rows(1, 1),
        ):
            with pytest.raises(OSError, match="is closed: open it again"):
                ask()
        file.close()
        assert list(file) == ["x", "y"]
