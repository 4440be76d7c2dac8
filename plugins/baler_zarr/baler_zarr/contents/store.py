"""The files of a store, in a folder or in a ZIP file, and the store as zarr opens it."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import Any

from baler_core import DataError, UnsuitedError

DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
# Documents are text, and no longer than this.
LONGEST_DOCUMENT = 64 << 20


class Store:
    """A store open for reading.

    Attributes
    ----------
    sizes
        Bytes of each file by its key, which is its path inside the store.
    zarr
        The store as zarr takes it.
    """

    sizes: dict[str, int]
    zarr: Any

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, key: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the store."""

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())


class FolderStore(Store):
    """A store in a folder; links in it are refused, since they may lead anywhere."""

    def __init__(self, path: Path) -> None:
        from zarr.storage import LocalStore

        super().__init__(path)
        self.sizes = {}
        for folder, folders, names in os.walk(path, onerror=self._refuse):
            for name in sorted([*folders, *names]):
                place = Path(folder) / name
                mode = place.lstat().st_mode
                if stat.S_ISLNK(mode):
                    raise DataError(
                        f"{place}: is a link, which may lead outside the store: put in its place what it leads to"
                    )
                if stat.S_ISREG(mode):
                    self.sizes[place.relative_to(path).as_posix()] = place.stat().st_size
                elif not stat.S_ISDIR(mode):
                    raise DataError(f"{place}: is neither a file nor a folder, and no part of a store")
        self.zarr = LocalStore(path, read_only=True)

    def _refuse(self, error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error

    def read(self, key: str) -> bytes:
        try:
            return (self.path / key).read_bytes()
        except OSError as error:
            raise DataError(f"{self.path / key}: cannot be read ({error.strerror})") from error


class ZippedStore(Store):
    """A store in a ZIP file."""

    def __init__(self, path: Path) -> None:
        from zarr.storage import ZipStore

        super().__init__(path)
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            raise DataError(f"{path}: cannot be opened as a ZIP file ({error})") from error
        listed = [info for info in self._file.infolist() if not info.is_dir()]
        # zarr appends documents that change; the last of each name counts.
        self.sizes = {info.filename: info.file_size for info in listed}
        # Chunks are compressed by themselves; a ZIP file that makes much of little is not what zarr writes.
        packed = sum(info.compress_size for info in listed)
        if self.total > (64 << 20) + 100 * packed:
            self._file.close()
            raise DataError(f"{path}: claims {self.total:,} bytes and holds {packed:,}")
        if not any(key.rpartition("/")[2] in DOCUMENTS for key in self.sizes):
            self._file.close()
            raise UnsuitedError(f"{path}: is a ZIP file without a Zarr store in it")
        self.zarr = ZipStore(path, mode="r", read_only=True)

    def read(self, key: str) -> bytes:
        try:
            return self._file.read(key)
        except (
            zipfile.BadZipFile,
            KeyError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
            EOFError,
        ) as error:
            raise DataError(f"{self.path}: {key} cannot be read ({error})") from error
        except zipfile.zlib.error as error:  # type: ignore[attr-defined]
            raise DataError(f"{self.path}: {key} cannot be read ({error})") from error

    def close(self) -> None:
        self._file.close()
        # zarr opens the file when it first reads, and does not close what it has not opened.
        if getattr(self.zarr, "_is_open", False):
            self.zarr.close()


def open_store(path: Path) -> Store:
    """Open a store.

    Raises
    ------
    DataError
        If it is missing, cannot be read, has links in it, or is none.
    """
    if path.is_dir():
        return FolderStore(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file or folder")
    return ZippedStore(path)


def safe_key(key: object) -> str:
    """Return a key that stays inside a store.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(key, str) or not key or "\0" in key or "\\" in key or len(key) > 4000:
        raise ValueError(f"{key!r:.80} is not the key of a file in a store")
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in key.split("/")):
        raise ValueError(f"{key!r:.80} is not the key of a file in a store")
    return key
