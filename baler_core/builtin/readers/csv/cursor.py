"""Go through the rows of a text table, forward: values of those that are asked for, none of those before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from baler_core.builtin.readers.csv.text import TextRows
from baler_core.errors import DataError


class RowCursor:
    """A place in a table.

    Parameters
    ----------
    batches
        The rows of the table.
    values_of
        Returns the values of each column in some of them.
    where
        The file, for messages.

    Attributes
    ----------
    next_row
        Rows before this one cannot be asked for any more.
    """

    def __init__(
        self, batches: Iterator[TextRows], values_of: Callable[[TextRows], list[np.ndarray]], where: str
    ) -> None:
        self._batches, self._values_of, self._where = batches, values_of, where
        self._pending: list[list[np.ndarray]] = []
        self._ahead = 0
        """How many rows the pending values have."""
        self.next_row = 0

    def at(self, rows: slice) -> list[np.ndarray]:
        """Return the values of some rows, by column.

        Raises
        ------
        DataError
            If the file has fewer rows than before.
        """
        self._skip(rows.start - self.next_row)
        wanted = rows.stop - rows.start
        while self._ahead < wanted or not self._pending:
            self._take(self._next())
        joined = [np.concatenate(column) for column in zip(*self._pending, strict=True)]
        self._pending = [[column[wanted:] for column in joined]]
        self._ahead -= wanted
        self.next_row = rows.stop
        return [column[:wanted] for column in joined]

    def _skip(self, rows: int) -> None:
        if rows < self._ahead:
            self._pending = (
                [[column[rows:] for column in map(np.concatenate, zip(*self._pending, strict=True))]]
                if rows
                else self._pending
            )
            self._ahead -= rows
            return
        rows -= self._ahead
        self._pending, self._ahead = [], 0
        while rows > 0:
            batch = self._next()
            if len(batch.raws) > rows:
                self._take(batch)
                self._skip(rows)
                return
            rows -= len(batch.raws)

    def _next(self) -> TextRows:
        for batch in self._batches:
            if batch.raws:
                return batch
        raise DataError(f"{self._where}: changed while it was read, it has fewer rows than before")

    def _take(self, batch: TextRows) -> None:
        self._pending.append(self._values_of(batch))
        self._ahead += len(batch.raws)
