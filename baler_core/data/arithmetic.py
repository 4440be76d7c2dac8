"""Parse and evaluate formulas of users: numbers, names of variables, + - * / and a few functions; nothing else runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from baler_core.errors import ConfigError, did_you_mean

Values: TypeAlias = np.ndarray[Any, Any]
_Kind = TypeVar("_Kind")
# Far beyond any formula that people write, and far from what the parser of Python can take.
_LONGEST = 1000
_DEEPEST = 50
_QUOTED = re.compile(r"`([^`]*)`")
_SIGNS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_OPERATORS: Mapping[type[ast.operator], Callable[[Values, Values], Values]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}


@dataclass(frozen=True)
class Function:
    """A function that formulas may call.

    Attributes
    ----------
    evaluate
        Called with the values of its arguments: float64 arrays; or with their names, if `of_names`.
    least, most
        How many arguments it takes; any number from `least` if `most` is None.
    of_names
        Whether its arguments are names, of collections say, and not formulas.
    """

    evaluate: Callable[..., Values]
    least: int = 1
    most: int | None = 1
    of_names: bool = False


def _hypotenuse(*values: Values) -> Values:
    """Return the root of the sum of squares, of operations that IEEE 754 rounds correctly, so that all machines agree."""
    return np.asarray(np.sqrt(reduce(np.add, [np.multiply(value, value) for value in values])))


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(np.abs),
    "sqrt": Function(np.sqrt),
    "hypot": Function(_hypotenuse, 2, None),
    "min": Function(lambda *values: reduce(np.minimum, values), 2, None),
    "max": Function(lambda *values: reduce(np.maximum, values), 2, None),
}


@dataclass(frozen=True)
class Term:
    """A part of a formula, as a tree for those who compute more than values with it.

    Attributes
    ----------
    operation
        `+`, `-`, `*`, `/`, `negative`, the name of a function; `name` or `number` for what has no parts.
    names
        The name, or the names that a function `of_names` is called with.
    """

    operation: str
    parts: tuple[Term, ...] = ()
    names: tuple[str, ...] = ()
    number: float = 0.0


@dataclass(frozen=True)
class Arithmetic:
    """A formula, checked.

    Attributes
    ----------
    text
        As the user wrote it.
    names
        The variables it needs, each once, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr = field(repr=False, compare=False)
    _quoted: Mapping[str, str] = field(repr=False, compare=False)
    _functions: Mapping[str, Function] = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, Values]) -> Values:
        """Return the result of float64 arithmetic; NaN or infinite where it is undefined.

        All operations of `FUNCTIONS` and operators are rounded as IEEE 754 says: the same bits on any machine.

        Parameters
        ----------
        values
            Arrays by the names in `names`, of shapes that broadcast.
        """
        known = {name: np.asarray(values[name], np.float64) for name in self.names}
        with np.errstate(all="ignore"):
            return np.asarray(self._value(self._tree, known), np.float64)

    def fold(
        self,
        known: Mapping[str, _Kind],
        *,
        constant: Callable[[float], _Kind],
        negative: Callable[[_Kind], _Kind],
        operators: Mapping[str, Callable[[_Kind, _Kind], _Kind]],
        functions: Mapping[str, Callable[..., _Kind]],
    ) -> _Kind:
        """Evaluate in another arithmetic, of intervals say.

        Parameters
        ----------
        operators
            By their signs: + - * /.
        """

        def value(node: ast.expr) -> _Kind:
            if isinstance(node, ast.Constant):
                return constant(float(node.value))  # type: ignore[arg-type]
            if isinstance(node, ast.BinOp):
                return operators[_SIGNS[type(node.op)]](value(node.left), value(node.right))
            if isinstance(node, ast.UnaryOp):
                return negative(value(node.operand)) if isinstance(node.op, ast.USub) else value(node.operand)
            if isinstance(node, ast.Call):
                return functions[_name_of(node.func, self._quoted) or ""](*map(value, node.args))
            return known[_name_of(node, self._quoted) or ""]

        return value(self._tree)

    def term(self) -> Term:
        """Return the formula as a tree."""
        return self._term(self._tree)

    def _term(self, node: ast.expr) -> Term:
        if isinstance(node, ast.Constant):
            return Term("number", number=float(cast(float, node.value)))
        if isinstance(node, ast.BinOp):
            return Term(_SIGNS[type(node.op)], (self._term(node.left), self._term(node.right)))
        if isinstance(node, ast.UnaryOp):
            part = self._term(node.operand)
            return Term("negative", (part,)) if isinstance(node.op, ast.USub) else part
        if isinstance(node, ast.Call):
            called = _name_of(node.func, self._quoted) or ""
            if self._functions[called].of_names:
                return Term(called, names=tuple(_name_of(one, self._quoted) or "" for one in node.args))
            return Term(called, tuple(self._term(one) for one in node.args))
        return Term("name", names=(_name_of(node, self._quoted) or "",))

    def _value(self, node: ast.expr, known: Mapping[str, Values]) -> Values:
        if isinstance(node, ast.Constant):
            return np.asarray(node.value, np.float64)
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](self._value(node.left, known), self._value(node.right, known))
        if isinstance(node, ast.UnaryOp):
            value = self._value(node.operand, known)
            return np.negative(value) if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.Call):
            function = self._functions[_name_of(node.func, self._quoted) or ""]
            if function.of_names:
                return function.evaluate(*[_name_of(one, self._quoted) for one in node.args])
            return function.evaluate(*[self._value(one, known) for one in node.args])
        return known[_name_of(node, self._quoted) or ""]


def parse_arithmetic(text: str, functions: Mapping[str, Function] = FUNCTIONS) -> Arithmetic:
    """Read a formula such as `0.1 * Muon_dxyErr` or ``hypot(e_a, `e b [mm]`)``.

    Names that are not words (with spaces, slashes, brackets) stand between backticks.

    Raises
    ------
    ConfigError
        Saying what in it is not understood.
    """
    if len(text) > _LONGEST:
        raise ConfigError(f"a formula has at most {_LONGEST} characters, found {len(text)}")
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        word = f"quoted_{len(quoted)}_"
        quoted[word] = match.group(1)
        return f" {word} "

    try:
        tree = ast.parse(_QUOTED.sub(placeholder, text).strip(), mode="eval").body
        if _depth(tree) > _DEEPEST:
            raise ValueError
        names = list(_checked(tree, quoted, functions, text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"the formula {text!r} is not understood; write it like '0.1 * sqrt(e_x + e_y)', with + - * / and "
            f"{', '.join(functions)}; names with other signs than letters, digits and _ stand between backticks"
        ) from error
    return Arithmetic(text, tuple(dict.fromkeys(names)), tree, quoted, functions)


def _checked(node: ast.expr, quoted: Mapping[str, str], functions: Mapping[str, Function], text: str) -> Iterator[str]:
    """Yield the names of variables; refuse what is not arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        if not np.isfinite(float(node.value)):
            raise ConfigError(f"the formula {text!r} holds a number that is not finite")
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield from _checked(node.left, quoted, functions, text)
        yield from _checked(node.right, quoted, functions, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        yield from _checked(node.operand, quoted, functions, text)
    elif isinstance(node, ast.Call) and not node.keywords:
        yield from _checked_call(node, quoted, functions, text)
    elif (name := _name_of(node, quoted)) is not None:
        yield name
    else:
        raise ValueError


def _checked_call(
    node: ast.Call, quoted: Mapping[str, str], functions: Mapping[str, Function], text: str
) -> Iterator[str]:
    called = _name_of(node.func, quoted) or ""
    if called not in functions:
        raise ConfigError(f"the formula {text!r} calls {called!r}. {did_you_mean(called, list(functions))}")
    function, count = functions[called], len(node.args)
    if count < function.least or (function.most is not None and count > function.most):
        raise ConfigError(f"in the formula {text!r}, {called} takes {_how_many(function)}, found {count}")
    for argument in node.args:
        if not function.of_names:
            yield from _checked(argument, quoted, functions, text)
        elif _name_of(argument, quoted) is None:
            raise ConfigError(f"in the formula {text!r}, {called} takes names, not formulas")


def _how_many(function: Function) -> str:
    if function.most is None:
        return f"{function.least} values or more"
    several = f"{function.least} to {function.most}" if function.least < function.most else f"{function.least}"
    return f"{several} value{'' if function.most == 1 else 's'}"


def _depth(tree: ast.AST) -> int:
    """Return how deep a tree is, found level by level, since recursion ends at some depth."""
    level, depth = [tree], 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    return depth


def _name_of(node: ast.expr, quoted: Mapping[str, str]) -> str | None:
    """Return the name that a node stands for, parts joined by dots (`Track.PT`); None if it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([quoted.get(node.id, node.id), *reversed(parts)])


def missing_names(formula: Arithmetic, known: Sequence[str]) -> str:
    """Say which variables a formula needs that there are not, with the nearest names; empty if all are there."""
    absent = [name for name in formula.names if name not in known]
    if not absent:
        return ""
    return f"the formula {formula.text!r} needs {absent[0]!r}, which is not there. {did_you_mean(absent[0], known)}"
