"""Define the base class of kinds of Python objects that `baler_core.compress` takes and `open` returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from baler_core.data.objects.columns import Columns
from baler_core.data.variables import Json, Schema
from baler_core.plugin.interfaces import Component
from baler_core.plugin.reading import Categories, TableColumn


class ObjectKind(Component, ABC):
    """One kind of Python object, recognised by its type without importing its library."""

    types: ClassVar[tuple[str, ...]]
    """Full names of the classes it takes, such as `pandas.DataFrame`, as `module.qualname` where they are defined.
    Subclasses are not taken: they hold more than their parents, which would be lost."""

    def takes(self, value: object) -> bool:
        """Return whether `value` is of this kind."""
        return type_name(value) in self.types

    @abstractmethod
    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        """Add the values of an object to `columns`, and return what else rebuilds it (JSON-able).

        Parameters
        ----------
        variables
            Shell-style patterns of the variables to take; None takes all.

        Raises
        ------
        DataError
            Naming a variable that cannot be stored, and its type.
        """

    @abstractmethod
    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the object, from what `take_apart` returned and the restored arrays of all variables.

        `stored` comes from a file and may be damaged: KeyError, IndexError, TypeError, ValueError and FormatError are
        reported as such.
        """

    def dataset(self, value: Any) -> Any:
        """Return the object as an `xarray.Dataset`; None where this kind has no such form."""
        return None

    def frame(self, value: Any) -> Any:
        """Return the object as a `pandas.DataFrame`; None where this kind has no such form."""
        return None

    def categories(self, schema: Schema) -> Mapping[str, Categories]:
        """Return for each variable of codes what they are codes of, where no forms of `Columns` tell that.

        Parameters
        ----------
        schema
            Its skeleton is what `take_apart` returned.
        """
        return {}

    def nulls(self, schema: Schema) -> Mapping[str, Sequence[str]]:
        """Return the masks of variables that have nulls, as `Reader.nulls` does, where no forms of `Columns` tell that."""
        return {}

    def table_columns(self, schema: Schema, names: Collection[str]) -> Sequence[TableColumn]:
        """Return the columns that tables have in place of some variables, as `Reader.table_columns` does."""
        return ()


def type_name(value: object) -> str:
    """Return full name of an object's class, without `builtins.`."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
