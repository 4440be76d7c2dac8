"""Names and types of the columns that a table was learned from, by which a model file finds them in another table."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import State

_KEY = "columns"


@dataclass(frozen=True)
class KnownNames:
    """The columns of a plan, in its order.

    Attributes
    ----------
    names, dtypes
        Of each column.
    """

    names: list[str]
    dtypes: list[str]

    @classmethod
    def of(cls, variables: Sequence[Variable]) -> KnownNames:
        """Return those of variables."""
        return cls([v.name for v in variables], [v.dtype for v in variables])

    def to_state(self) -> State:
        """Return an array by name."""
        columns = list(zip(self.names, self.dtypes, strict=True))
        return {_KEY: np.frombuffer(json.dumps(columns, separators=(",", ":")).encode(), np.uint8)}

    def found_in(self, layout: Layout) -> list[Variable | None]:
        """Return for each column the variable of a table, None for one that the table lacks.

        Raises
        ------
        FormatError
            If the table has a column that these do not name.
        """
        if [v.name for v in layout.variables] == self.names:
            return list(layout.variables)
        there = {v.name: v for v in layout.variables}
        unknown = there.keys() - set(self.names)
        if unknown:
            raise FormatError(
                f"the table was learned without {min(unknown)!r}: it knows {len(self.names)} variables, here are "
                f"{len(there)}"
            )
        return [there.get(name) for name in self.names]


def names_of(state: State, layout: Layout) -> KnownNames:
    """Return the columns that a model file names; those of the table itself, if the state names none.

    Raises
    ------
    FormatError
        If the names are damaged.
    """
    stored = state.get(_KEY)
    if stored is None:
        return KnownNames.of(layout.variables)
    try:
        found = json.loads(stored.astype(np.uint8).tobytes().decode())
        columns = tuple((str(name), np.dtype(str(dtype)).str) for name, dtype in found)
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise FormatError(f"the names of a table's columns are damaged ({error})") from error
    if len(dict(columns)) != len(columns) or any(np.dtype(dtype).kind not in "biuf" for _, dtype in columns):
        raise FormatError("the names of a table's columns are damaged: two are the same, or one is no number")
    return KnownNames([name for name, _ in columns], [dtype for _, dtype in columns])
