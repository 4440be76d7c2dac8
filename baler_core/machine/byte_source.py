"""Read any part of bytes wherever they lie: in a file, in memory, or at an address that fsspec opens."""

from __future__ import annotations

import io
import os
import pickle
import re
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, ClassVar, TypeAlias

from baler_core.errors import BalerError, FormatError, MissingFile, MissingPackage, SourceError
from baler_core.machine.optional import need

Place: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""Where bytes may lie: a path, an address (`https://...`), the bytes themselves, or a binary file object with `seek`."""


# How fsspec names the package of a protocol, and those that the extra brings.
_INSTALLED = re.compile(r"[Ii]nstall ([A-Za-z][\w-]+)")
_REMOTE = ("http", "https")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z][A-Za-z0-9+.-]*)*://")


class ByteSource(ABC):
    """Bytes of which any part can be read; by several threads at once.

    Attributes
    ----------
    name
        How messages call it.
    size
        How many bytes there are.
    at_once
        So many are read about as quickly as one.
    """

    name: Path | str
    size: int
    at_once: ClassVar[int] = 1 << 16

    @abstractmethod
    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on; fewer only where they end before.

        Raises
        ------
        SourceError
            If they cannot be read.
        """

    def has_changed(self) -> bool:
        """Return whether the bytes may be others than when it was opened."""
        return False

    def place(self) -> Place:
        """Return what opens the same bytes again, in another process too.

        Raises
        ------
        TypeError
            If nothing does.
        """
        raise TypeError(f"{self.name}: an open file object cannot be sent to another process: open it by its path")

    def again(self) -> Place:
        """Return what opens the same bytes again in this process."""
        return self.place()

    def close(self) -> None:
        """Release what is open."""


class LocalFile(ByteSource):
    """A file of this machine.

    Raises
    ------
    FormatError
        If there is no such file, or it is a folder or a device.
    """

    at_once = 1 << 12

    def __init__(self, path: Path) -> None:
        self.name = path
        if path.exists() and not path.is_file() and not path.is_dir():
            raise FormatError(f"{path}: is a pipe or a device, not a .bal file")
        try:
            self._number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as error:
            raise MissingFile(f"{path}: there is no such file") from error
        self._release = weakref.finalize(self, os.close, self._number)
        if path.is_dir():
            self.close()
            raise FormatError(f"{path}: is a folder, not a .bal file")
        self._lock = Lock()
        self.size, self._stamp = self._stated()

    def _stated(self) -> tuple[int, int]:
        found = os.fstat(self._number)
        return found.st_size, found.st_mtime_ns

    def read(self, start: int, length: int) -> bytes:
        if not self._release.alive:
            raise SourceError(f"{self.name}: is closed")
        parts: list[bytes] = []
        while length > 0:
            if hasattr(os, "pread"):
                part = os.pread(self._number, length, start)
            else:
                with self._lock:
                    os.lseek(self._number, start, os.SEEK_SET)
                    part = os.read(self._number, length)
            if not part:
                break
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def has_changed(self) -> bool:
        return self._release.alive and self._stated() != (self.size, self._stamp)

    def place(self) -> Place:
        return os.fspath(Path(self.name).absolute())

    def close(self) -> None:
        self._release()


class Memory(ByteSource):
    """Bytes that are there already."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.name = "<bytes>"
        self._data = bytes(data)
        self.size = len(self._data)

    def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]

    def place(self) -> Place:
        return self._data


class FileObject(ByteSource):
    """A binary file that somebody opened; it is not closed here."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = str(getattr(file, "name", None) or f"<{type(file).__name__}>")
        self._file, self._lock = file, Lock()
        try:
            file.seek(0, os.SEEK_END)
            self.size = file.tell()  # which seek of mmap does not return before Python 3.13
        except (OSError, ValueError, AttributeError) as error:
            raise SourceError(f"{self.name}: is a file object of which not every part can be read ({error})") from error

    def read(self, start: int, length: int) -> bytes:
        try:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(length)
                while data and len(data) < length and (more := self._file.read(length - len(data))):
                    data += more  # of files without buffers, which may return less
        except Exception as error:  # of whatever library opened it
            raise SourceError(f"{self.name}: cannot be read: {_sentence(error)}") from error
        if not isinstance(data, bytes):
            raise SourceError(f"{self.name}: is open as text: open it with mode 'rb'")
        return data

    def place(self) -> Place:
        """Return the path of what `open` opened; other objects open again by themselves if they can, as those of fsspec do."""
        if (path := _path_of(self._file)) is not None:
            return path
        try:
            self._file.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        except Exception:
            return super().place()
        return self._file

    def again(self) -> Place:
        return self._file


def _path_of(file: BinaryIO) -> str | None:
    """Return the path of an open file of this machine, unless another file is there by now."""
    if not isinstance(file, io.BufferedReader | io.BufferedRandom | io.FileIO) or not isinstance(file.name, str):
        return None
    try:
        same = os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (OSError, ValueError):
        return None
    return os.path.abspath(file.name) if same else None


class Remote(ByteSource):
    """What lies at an address, read by ranges through fsspec.

    Raises
    ------
    MissingPackage
        Naming the package that is not installed.
    SourceError
        If nothing can be read there, or the server cannot send parts of it.
    """

    def __init__(self, address: str) -> None:
        self.name = address
        self._system, self._path = system_of(address)
        try:
            found = self._system.info(self._path)
        except Exception as error:  # of whatever library serves the protocol
            raise _unreadable(address, error) from error
        size = found.get("size")
        if not isinstance(size, int):
            raise SourceError(f"{address}: the server does not say how long the file is: download it and open the copy")
        self.size, self._stamp = size, _stamp(found)
        self._whole: bytes | None = None

    def read(self, start: int, length: int) -> bytes:
        end = min(start + length, self.size)
        if end <= start:
            return b""
        if self._whole is not None:
            return self._whole[start:end]
        try:
            data = self._system.cat_file(self._path, start=start, end=end)
        except Exception as error:
            raise _unreadable(self.name, error) from error
        if len(data) == self.size > end - start:
            self._whole = bytes(data)  # a server that ignores ranges sends everything, once
            return self._whole[start:end]
        if len(data) != end - start:
            raise SourceError(
                f"{self.name}: {len(data):,} bytes came where {end - start:,} of {self.size:,} were asked for: the file "
                "is cut short or has changed, or the server does not keep to ranges"
            )
        return bytes(data)

    def has_changed(self) -> bool:
        try:
            self._system.invalidate_cache()
            found = self._system.info(self._path)
        except Exception:
            return True
        return (found.get("size"), _stamp(found)) != (self.size, self._stamp)

    def place(self) -> Place:
        return str(self.name)


def _stamp(found: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(found.get(key)) for key in ("ETag", "mtime", "LastModified", "created") if key in found)


def _sentence(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _unreadable(name: object, error: BaseException) -> BalerError:
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__  # of a web server, fsspec calls whatever keeps it from answering a missing file
        status = getattr(cause, "status", None)
        if cause is None or status in (404, 410):
            return SourceError(f"{name}: there is nothing at this address")
        if status is not None:
            return SourceError(f"{name}: cannot be read: the server answers {status} {getattr(cause, 'message', '')}")
        error = cause
    return SourceError(f"{name}: cannot be read: {_sentence(error)}")


def is_address(place: object) -> bool:
    """Return whether something names what lies elsewhere, as `https://...` does; a drive `C:/` is none."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None


def system_of(address: str) -> tuple[Any, str]:
    """Return the file system of fsspec for an address, and the path in it.

    Raises
    ------
    MissingPackage
        Naming what is not installed.
    SourceError
        If the protocol is not known.
    """
    need(f"the address {address}", "fsspec")
    import fsspec

    protocol = address.split("://", 1)[0]
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        named = _INSTALLED.search(str(error))
        package = "'baler-core[remote]'" if named is None or protocol in _REMOTE else named[1]
        raise MissingPackage(
            f"{address}: an address of the protocol {protocol!r} needs a package that is not installed: pip install {package}"
        ) from error
    except Exception as error:
        raise SourceError(f"{address}: cannot be opened: {_sentence(error)}") from error
    return system, path


def open_source(place: Place | ByteSource | Path) -> ByteSource:
    """Return the bytes at a place.

    Raises
    ------
    TypeError
        If it is none.
    """
    if isinstance(place, ByteSource):
        return place
    if isinstance(place, bytes | bytearray | memoryview):
        return Memory(place)
    if isinstance(place, str) and is_address(place):
        return Remote(place)
    if isinstance(place, str | os.PathLike):
        return LocalFile(Path(place))
    if hasattr(place, "read") and hasattr(place, "seek"):
        return FileObject(place)
    raise TypeError(f"a path, an address, bytes or a binary file is wanted, not {type(place).__name__}")
