"""Write restored blocks as a Parquet or Arrow file like the original."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baler_core import FormatError, Schema, Sink, values_of
from baler_parquet.contents.files import first_line
from baler_parquet.schema.assembly import Assembly
from baler_parquet.schema.layout import SCHEMA
from baler_parquet.values.writing import IpcOutput, Output, ParquetOutput

if TYPE_CHECKING:
    import pyarrow as pa

    from baler_core import Block

DAMAGE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, NotImplementedError, OSError)


class ArrowSink(Sink):
    """A file with the columns, types, pieces and metadata of the original."""

    def __init__(self, path: Path, schema: Schema) -> None:
        import pyarrow as pa

        with _telling_damage():
            stated = pa.ipc.read_schema(pa.py_buffer(schema.attachments[SCHEMA]))
            self._assembly = Assembly(stated, schema.skeleton, set(schema.names))
            self._output = _start(path, stated, schema.skeleton)

    def write(self, block: Block) -> None:
        """Append the entries of a dictionary, or rows."""
        with _telling_damage():
            self._assembly.add({name: values_of(block, name) for name in block.variables}, self._output)

    def close(self) -> None:
        """Complete the file, and find out how it differs from the original."""
        with _telling_damage():
            self._assembly.finish(self._output)
            self._output.close()
        self.warnings = self._output.warnings

    def abort(self) -> None:
        """Release the file."""
        import pyarrow as pa

        try:
            self._output.abort()
        except (pa.ArrowException, OSError):
            # It is removed as it is.
            pass


def _start(path: Path, schema: pa.Schema, skeleton: Mapping[str, Any]) -> Output:
    kind, storage = skeleton["kind"], skeleton["storage"]
    if kind == "parquet":
        return ParquetOutput(path, schema, storage)
    if kind not in ("file", "stream"):
        raise ValueError(f"a file of kind {kind!r}")
    return IpcOutput(path, schema, storage, stream=kind == "stream")


@contextmanager
def _telling_damage() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, *DAMAGE) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, such as a full disk
            raise
        raise FormatError(f"the description of the table to be written is damaged: {first_line(error)}") from error
