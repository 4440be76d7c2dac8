"""Bring files from addresses to this machine, and send files to them, where whole files are needed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import quote

from baler_core.errors import SourceError
from baler_core.machine.byte_source import is_address, system_of

# `Path` makes one slash of two.
_SHORTENED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z][A-Za-z0-9+.-]*)*):/([^/].*)")

# Their paths begin with a slash, behind the one that ends the name of the server.
_ABSOLUTE = ("root", "roots", "xroot", "xroots")


def address_of(place: str | Path) -> str | None:
    """Return the address that a path stands for, as the command line gives it; None for a path of this machine."""
    if isinstance(place, str):
        return place if is_address(place) else None
    found = _SHORTENED.fullmatch(str(place))
    if found is None or place.exists():
        return None
    if found[1] in _ABSOLUTE and "/" in found[2]:
        host, _, path = found[2].partition("/")
        return f"{found[1]}://{host}//{path}"
    return f"{found[1]}://{'/' if found[1] == 'file' else ''}{found[2]}"


def name_of(place: str | Path) -> str:
    """Return the name of a file, of an address without what is asked of its server."""
    address = address_of(place)
    return Path(place).name if address is None else _named(address)[1].partition("?")[0].rpartition("/")[2]


def beside(place: str | Path, name: str) -> str | Path:
    """Return where a file of that name lies beside another, a path or an address."""
    address = address_of(place)
    if address is None:
        return Path(place).parent / name
    before, named, behind = _named(address)
    path, asked, query = named.partition("?")
    protocol, slashes, path = path.partition("://")
    folder, slash, _ = path.rpartition("/")
    name = quote(name) if protocol in ("http", "https") else name
    return f"{before}{protocol}{slashes}{folder}{slash}{name}{asked}{query}{behind}"


def _named(address: str) -> tuple[str, str, str]:
    """Cut out the part of an address that names a file, of several as `zip://run.balset::https://...` the first with a path."""
    chain = address.split("::")
    which = next(number for number, part in enumerate(chain) if "://" in part)
    before, behind = chain[:which], chain[which + 1 :]
    return "".join(f"{one}::" for one in before), chain[which], "".join(f"::{one}" for one in behind)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """The folder of fetched files, which is removed when Python ends."""
    return tempfile.TemporaryDirectory(prefix="baler-")


@cache
def fetched(address: str) -> Path:
    """Return a copy of what lies at an address, made once; readers of other formats need whole files.

    Raises
    ------
    MissingPackage
        Naming the package that is not installed.
    SourceError
        If it cannot be read.
    """
    system, path = system_of(address)
    folder = Path(tempfile.mkdtemp(dir=_folder().name))
    target = folder / (path.rstrip("/").rpartition("/")[2].partition("?")[0] or "data")
    try:
        system.get_file(path, str(target))
    except FileNotFoundError as error:
        raise SourceError(f"{address}: there is nothing at this address") from error
    except Exception as error:  # of whatever library serves the protocol
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise SourceError(f"{address}: cannot be fetched: {reason}") from error
    _origins()[target] = address
    return target


@cache
def _origins() -> dict[Path, str]:
    """The addresses of fetched files."""
    return {}


def origin_of(path: Path) -> str:
    """Return the address that a file of this machine was fetched from; of any other file its path."""
    return _origins().get(path, str(path))


def here(place: Path) -> Path:
    """Return a file of this machine: the path itself, or a copy of what lies at the address that it stands for.

    Raises
    ------
    MissingPackage, SourceError
        As `fetched` does.
    """
    address = address_of(place)
    return place if address is None else fetched(address)


@contextmanager
def sent(place: str | Path) -> Iterator[Path]:
    """Give the path to write to: of an address a temporary file, which is sent there when it is complete.

    Raises
    ------
    SourceError
        If it cannot be sent.
    """
    address = address_of(place)
    if address is None:
        yield Path(place)
        return
    system, path = system_of(address)
    with tempfile.TemporaryDirectory(prefix="baler-") as folder:
        local = Path(folder) / (path.rpartition("/")[2] or "data")
        yield local
        try:
            system.put_file(str(local), path)
        except Exception as error:  # of whatever library serves the protocol
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise SourceError(f"{address}: cannot be written: {reason}") from error
