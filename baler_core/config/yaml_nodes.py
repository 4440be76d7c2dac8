"""Parse YAML to plain values with line numbers; refuse what could run code, fill the memory or be misread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

KeyPath: TypeAlias = tuple[str | int, ...]

# A configuration is a page of text: beyond these it is something else, or an attack.
MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
# JSON escapes characters beyond 16 bits as two halves, which YAML leaves apart.
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# Halves that stand for bytes of names of files that are no UTF-8 are the others.
_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration file.

    Attributes
    ----------
    line
        Counted from 1; 0 where no line is to blame.
    key
        The key as written with dots (`training.epochs`); empty for the file as a whole.
    message
        What was wanted, what was found, and what to do.
    """

    line: int
    key: str
    message: str

    def at(self, file: str) -> str:
        """Return one line of text: `file:line: key: message`."""
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


@dataclass
class Document:
    """A YAML file as plain Python values (dict with text keys, list, str, int, float, bool, None).

    Attributes
    ----------
    lines
        `{path of keys and indices: line}`; a mapping entry counts from the line of its key.
    problems
        What was wrong with the YAML itself, duplicate keys included.
    """

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """Return the line of `path`, or of the nearest of its parents that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a problem with what stands at `path`."""
        return Problem(self.line(path), dotted(path), message)


def dotted(path: KeyPath) -> str:
    """`("metrics", 0, "name")` as `metrics[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the plain scalars of YAML 1.2: `on` and `no` are text, `1e-3` is a number, dates are text."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the name and form PyYAML asks for


_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If the file cannot be read at all, or is no YAML. What is wrong within is listed in `Document.problems`.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise ConfigError(f"{path}: is {what}, not a configuration")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this configuration: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            f"{path}: larger than {MAX_BYTES:,} bytes: this is not a configuration. Is it the data file? 'baler init' writes a configuration for one"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: not UTF-8 text, so not a YAML configuration. For a data file, 'baler init' writes one"
        ) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> Document:
    """Parse YAML text; `file` is for messages alone.

    Raises
    ------
    ConfigError
        If the text is no YAML, nested deeper than `MAX_DEPTH`, or recursive.
    """
    try:
        _refuse_deep(text, file)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(_syntax_message(error, file)) from error
    document = Document()
    if root is not None:
        document.value = _Converter(document, file).convert(root, ())
    return document


def _refuse_deep(text: str, file: str) -> None:
    """Look at the nesting alone: PyYAML builds its tree by recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark is not None else 0
            raise ConfigError(f"{file}:{line}: nested deeper than {MAX_DEPTH} levels")


def _syntax_message(error: yaml.YAMLError, file: str) -> str:
    """PyYAML's complaint in one line."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{file}: not readable as YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark or error.context_mark
    place = f"{file}:{mark.line + 1}" if mark is not None else file
    problem = error.problem or error.context or "not readable"
    hint = ". Indent with spaces, not with tabs" if "\\t" in problem else ""
    if "alias" in problem or "alphabetic or numeric character" in problem:
        hint = '. Write names that begin with * or & in quotes: "*"'
    return f"{place}: not readable as YAML: {problem}{hint}"


class _Converter:
    """Turns PyYAML's nodes into plain values, noting lines and problems; stops at `MAX_NODES`."""

    def __init__(self, document: Document, file: str) -> None:
        self.document = document
        self.file = file
        self.nodes = 0

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigError(f"{self.file}:{line}: aliases (*name) make this file too large: write the values out")
        self.document.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self.convert(value, (*path, key)) for key, value in self._entries(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.convert(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        """Key and value of each entry; a key is always taken as text."""
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._complain(line, path, "a key must be text")
                continue
            key = _joined(key_node.value)
            if key in seen:
                self._complain(line, (*path, key), f"this key is in line {seen[key]} already: keep one of the two")
                continue
            seen[key] = line
            self.document.lines[(*path, key)] = line
            yield key, value

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        kind = node.tag.removeprefix(_TAG)
        text = _joined(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if "\0" in text or _HALF.search(text):
            what = "the character NUL" if "\0" in text else "half of a character"
            self._complain(node.start_mark.line + 1, path, f"contains {what}, which no name may contain: remove it")
            return _HALF.sub("", text.replace("\0", ""))
        try:
            if kind == "str":
                return text
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (KeyError, ValueError):
            self._complain(node.start_mark.line + 1, path, f"{text[:40]!r} is no {kind}")
            return None
        self._complain(node.start_mark.line + 1, path, f"the tag {node.tag!r} is not allowed: write plain values")
        return None

    def _complain(self, line: int, path: KeyPath, message: str) -> None:
        self.document.problems.append(Problem(line, dotted(path), message))


def _joined(text: str) -> str:
    """Text in which each character beyond 16 bits is one."""
    return _HALVES.sub(lambda found: found[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
