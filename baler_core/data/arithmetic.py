"""Parse and evaluate formulas of users: numbers, names of variables, + - * / and a few functions; nothing else runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import reduce
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np

from baler_core.errors import ConfigError, did_you_mean
from baler_core.machine.records import dataclass

Values: TypeAlias = np.ndarray[Any, Any]
_Kind = TypeVar("_Kind")
# Far beyond any formula that people write, and far from what the parser of Python can take.
_LONGEST = 1000
_DEEPEST = 50
_QUOTED = re.compile(r"`([^`]*)`")
_SIGNS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_OPERATORS: Mapping[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
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


def _smallest(*values: Values) -> Values:
    return np.asarray(reduce(np.minimum, values))


def _largest(*values: Values) -> Values:
    return np.asarray(reduce(np.maximum, values))


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(np.abs),
    "sqrt": Function(np.sqrt),
    "hypot": Function(_hypotenuse, 2, None),
    "min": Function(_smallest, 2, None),
    "max": Function(_largest, 2, None),
}


class Term(NamedTuple):
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
    term
        The formula as a tree.
    """

    text: str
    names: tuple[str, ...]
    term: Term = field(repr=False, compare=False)
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
        functions = {name: function.evaluate for name, function in self._functions.items()}
        with np.errstate(all="ignore"):
            found = self.fold(
                known, constant=np.asarray, negative=np.negative, operators=_OPERATORS, functions=functions
            )
        return np.asarray(found, np.float64)

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

        def value(term: Term) -> Any:
            if term.operation == "number":
                return constant(term.number)
            if term.operation == "name":
                return known[term.names[0]]
            parts = [value(part) for part in term.parts]
            if term.operation == "negative":
                return negative(*parts)
            if term.operation in operators:
                return operators[term.operation](*parts)
            return functions[term.operation](*parts, *term.names)

        return cast(_Kind, value(self.term))


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
    return Arithmetic(text, tuple(dict.fromkeys(names)), _term(tree, quoted, functions), functions)


def _term(node: ast.expr, quoted: Mapping[str, str], functions: Mapping[str, Function]) -> Term:
    """Return a checked formula as a tree."""
    if isinstance(node, ast.Constant):
        return Term("number", number=float(cast(float, node.value)))
    if isinstance(node, ast.BinOp):
        return Term(_SIGNS[type(node.op)], tuple(_term(one, quoted, functions) for one in (node.left, node.right)))
    if isinstance(node, ast.UnaryOp):
        part = _term(node.operand, quoted, functions)
        return Term("negative", (part,)) if isinstance(node.op, ast.USub) else part
    if isinstance(node, ast.Call):
        called = _name_of(node.func, quoted) or ""
        if functions[called].of_names:
            return Term(called, names=tuple(_name_of(one, quoted) or "" for one in node.args))
        return Term(called, tuple(_term(one, quoted, functions) for one in node.args))
    return Term("name", names=(_name_of(node, quoted) or "",))


def _checked(node: ast.expr, quoted: Mapping[str, str], functions: Mapping[str, Function], text: str) -> Iterator[str]:
    """Yield the names of variables; refuse what is not arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        if not np.isfinite(float(node.value)):
            raise ConfigError(f"the formula {text!r} holds a number that is not finite")
    elif isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
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
