"""Write restored blocks as a Zarr store like the original."""

from __future__ import annotations

import errno
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baler_core import Block, FormatError, Schema, Sink, values_of
from baler_zarr.contents.arrays import arrays_of
from baler_zarr.contents.codecs import objection
from baler_zarr.schema.skeleton import FILES, MISSING, carried_files, checked_documents, missing_places
from baler_zarr.values.elements import Field, as_recorded
from baler_zarr.values.opened import OpenArray, open_array
from baler_zarr.values.writing import ArrayOutput

DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, OSError)
# What the system says of names that no store has; all else that it refuses, such as a full disk, is no damage.
_OF_NAMES = (None, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)


class ZarrSink(Sink):
    """A store with the documents of the original, in a folder, or in a ZIP file if it is called so."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path, self._zipped = path, path.name.lower().endswith(".zip")
        self._folder = path.with_name(f"{path.name}.unpacked") if self._zipped else path
        try:
            with _telling_damage():
                self._folder.mkdir()
                self._start(schema)
        except BaseException:
            self.abort()
            raise

    def _start(self, schema: Schema) -> None:
        from zarr.storage import LocalStore

        skeleton, attachments = schema.skeleton, schema.attachments
        documents = checked_documents(skeleton["documents"])
        for key, content in carried_files(skeleton["carried"], attachments.get(FILES, b"")):
            if key in documents:
                raise ValueError(f"the file {key!r} is there twice")
            self._put(key, content)
        for key, text in documents.items():
            self._put(key, text.encode())
        store = LocalStore(self._folder)
        known = {variable.name: variable for variable in schema.variables}
        planned: list[tuple[OpenArray, list[Field]]] = []
        for record in arrays_of(documents):
            if record.path not in skeleton["arrays"]:
                continue
            if said := objection(dict(record.meta)):
                raise ValueError(f"the array {record.name!r} is refused: {said}")
            array = open_array(store, record, writing=True)
            fields = as_recorded(record.name, array.dtype, array.texts, skeleton["arrays"][record.path])
            for field in fields:
                variable = known[field.name]
                shape = tuple(schema.sizes[dim] for dim in variable.dims)
                if variable.dtype != field.dtype or shape != array.shape:
                    raise ValueError(f"the variable {field.name!r} does not fit its array")
            planned.append((array, fields))
        gaps = missing_places([one for one, _ in planned], skeleton["gaps"], attachments.get(MISSING, b""))
        self._outputs = [
            ([field.name for field in fields], ArrayOutput(array, fields, gaps.get(array.record.path, ())))
            for array, fields in planned
        ]
        if sum(len(names) for names, _ in self._outputs) != len(known):
            raise ValueError("some variables are of no array")

    def _put(self, key: str, content: bytes) -> None:
        place = self._folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(content)

    def write(self, block: Block) -> None:
        """Append rows of the arrays that the block holds."""
        with _telling_damage():
            for names, output in self._outputs:
                if names[0] in block.variables:
                    output.write({name: values_of(block, name) for name in names})

    def close(self) -> None:
        """Complete the store."""
        with _telling_damage():
            for _, output in self._outputs:
                output.close()
            if self._zipped:
                self._pack()

    def _pack(self) -> None:
        """Put all files into a ZIP file, uncompressed, since chunks are compressed by themselves."""
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
            for place in sorted(self._folder.rglob("*")):
                if place.is_file():
                    packed.write(place, place.relative_to(self._folder).as_posix())
        shutil.rmtree(self._folder)

    def abort(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in _OF_NAMES:
            raise
        said = " ".join(str(error).split())[:300]
        raise FormatError(f"the description of the store to be written is damaged: {said}") from error
