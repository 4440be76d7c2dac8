"""Compute expressions, cuts and aliases of branches in the language that uproot has for them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uproot
from uproot.language.python import python_language

from baler_core import ConfigError

# What expressions are made of. uproot compiles them: attributes of anything but names, calls of anything but functions by
# their names, functions of one's own and loops could run any code.
_PARTS = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.keyword, ast.Name, ast.Constant),
    *(ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Attribute),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


@dataclass(frozen=True)
class _NamedBranch:
    """What uproot's language asks of a branch."""

    name: str
    parent: object

    @property
    def cache_key(self) -> str:
        return self.name


@dataclass(frozen=True)
class Expressions:
    """What is asked of a tree beyond its branches.

    Attributes
    ----------
    stated
        Expressions, or names of branches.
    cut
        What must be true of an entry, or of what is inside it; None takes all.
    aliases
        Expressions by the names that others use for them. They come from the caller, never from a file.
    keys
        Names of branches.
    is_branch
        Whether a name is one of a branch, in full or in part. Names come from the file, and are never computed.
    where
        The file and the tree, for messages.
    refuse
        Raises what there is to say of a name that is no branch.
    """

    stated: Sequence[str]
    cut: str | None
    aliases: Mapping[str, str]
    keys: Collection[str]
    is_branch: Callable[[str], bool]
    where: str
    refuse: Callable[[str], object]

    @property
    def plain(self) -> bool:
        """Return whether nothing is to be computed."""
        return self.cut is None and not any(one in self.aliases for one in self.stated)

    def branches(self) -> list[str]:
        """Return the branches that are needed, in the order in which they are met.

        Raises
        ------
        ConfigError
            If an expression cannot be read, or an alias follows from itself.
        KeyError
            If a name is no branch; with the nearest names.
        """
        found, seen = dict[str, None](), set[str]()
        waiting = [*self.stated, *([] if self.cut is None else [self.cut])]
        while waiting:
            one = waiting.pop(0)
            for symbol in self._symbols(one):
                if symbol not in self.aliases:
                    found[symbol] = None
                elif symbol not in seen:
                    seen.add(symbol)
                    waiting.append(self.aliases[symbol])
        return list(found)

    def _symbols(self, expression: str) -> list[str]:
        if self.is_branch(expression):
            return [expression]
        names = {*self.keys, *self.aliases}
        with self._reading(expression):
            _refuse_code(expression)
            found: list[str] = python_language.free_symbols(expression, names, self.aliases, self.where, "")
        return found

    @contextmanager
    def _reading(self, expression: str) -> Iterator[None]:
        try:
            yield
        except uproot.KeyInFileError as error:
            self.refuse(str(error.key))
            raise ConfigError(f"{self.where}: {expression!r} cannot be computed: {error.key!r} is unknown") from error
        except (SyntaxError, TypeError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise ConfigError(f"{self.where}: the expression {expression!r} cannot be computed: {why}") from error

    def computed(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return an array for each expression, of what the cut leaves; `columns` are those of `branches`."""
        tree = object()
        context: list[tuple[str, dict[str, Any]]] = [
            (name, {"branches": [_NamedBranch(name, tree)], "is_primary": False, "is_cut": False}) for name in columns
        ]
        context += [(one, {"branches": [], "is_primary": True, "is_cut": False}) for one in self.stated]
        if self.cut is not None:
            context.append((self.cut, {"branches": [], "is_primary": True, "is_cut": True}))
        with self._reading(", ".join(self.stated)):
            found: dict[str, Any] = python_language.compute_expressions(
                tree, columns, context, set(columns), dict(self.aliases), self.where, ""
            )
        return found


def _refuse_code(expression: str) -> None:
    """Refuse what is more than arithmetic, comparisons, calls of functions, and places in arrays.

    Raises
    ------
    SyntaxError
        If it is.
    """
    for part in ast.walk(ast.parse(expression.strip(), mode="eval")):
        calls = isinstance(part, ast.Call) and not isinstance(part.func, ast.Name)
        inside = isinstance(part, ast.Attribute) and not isinstance(part.value, ast.Name | ast.Attribute)
        if calls or inside or not isinstance(part, _PARTS):
            raise SyntaxError("it may hold names, numbers, operators, functions called by name, and places in brackets")
