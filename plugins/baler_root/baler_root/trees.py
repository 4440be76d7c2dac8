"""Opens a ROOT file and finds the tree that is meant in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from baler_core import DataError, did_you_mean

TreeKind = Literal["TTree", "RNTuple"]
KINDS: dict[str, TreeKind] = {
    "TTree": "TTree",
    "TNtuple": "TTree",
    "TNtupleD": "TTree",
    "ROOT::RNTuple": "RNTuple",
}
# A tree that holds this much of a file's values is the one that is meant; the others are bookkeeping.
DOMINANT = 0.9


@dataclass(frozen=True)
class Tree:
    """One tree of an open file: its place in the file, what kind it is, and uproot's object for it."""

    name: str
    kind: TreeKind
    tree: Any

    @property
    def entries(self) -> int:
        """Number of events."""
        return int(self.tree.num_entries)

    @property
    def title(self) -> str:
        """The tree's title (an RNTuple's description)."""
        return str(self.tree.title if self.kind == "TTree" else self.tree.description)

    @property
    def weight(self) -> int:
        """About how many bytes of values it holds."""
        known = self.tree.uncompressed_bytes if self.kind == "TTree" else 0
        return int(known or 4 * self.entries * len(self.tree.keys()))

    def __str__(self) -> str:
        branches = "branches" if self.kind == "TTree" else "fields"
        return f"{self.name} ({self.entries} entries, {len(self.tree.keys())} {branches})"


def open_file(path: Path) -> Any:
    """uproot's object for the file.

    Raises
    ------
    DataError
        If it is missing, or no ROOT file that can be read.
    """
    import uproot

    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        file = uproot.open({str(path): None}, array_cache=None)
    except Exception as error:
        raise DataError(f"{path}: this is no ROOT file, or it is damaged or cut short: {first_line(error)}") from error
    if file.file.fEND > path.stat().st_size:
        file.close()
        raise DataError(f"{path}: the file is cut short: {path.stat().st_size} of its {file.file.fEND} bytes are there")
    return file


def find_tree(file: Any, path: Path, wanted: str | None) -> tuple[Tree, list[str]]:
    """The tree `wanted` (`Events`, `folder/Events`, `Events;3`), or the only one that holds data.

    Returns
    -------
    tree
        Its newest cycle unless a cycle is asked for.
    others
        Names of everything else in the file.

    Raises
    ------
    DataError
        If there is no such tree, or several and none is asked for.
    """
    classes = _newest(file.classnames(recursive=True))
    names = [name for name, (_, class_name) in classes.items() if class_name in KINDS]
    if wanted is None:
        tree = _only_tree([_open_tree(file, path, name, classes) for name in names], path)
    else:
        name = wanted.partition(";")[0].strip("/")
        if name not in names:
            found = f"It is a {classes[name][1]}." if name in classes else did_you_mean(name, names)
            raise DataError(f"{path}: there is no tree {name!r} in this file. {found}")
        tree = _open_tree(file, path, name, classes, cycle=wanted.partition(";")[2])
    others = [n for n, (_, c) in classes.items() if n != tree.name and not c.startswith("TDirectory")]
    return tree, others


def _newest(class_names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """`{name: (newest cycle, class)}` from uproot's `{"name;cycle": class}`."""
    newest: dict[str, tuple[str, str]] = {}
    for key, class_name in class_names.items():
        name, _, cycle = key.rpartition(";")
        if name not in newest or int(cycle) > int(newest[name][0]):
            newest[name] = (cycle, class_name)
    return newest


def _open_tree(file: Any, path: Path, name: str, classes: Mapping[str, tuple[str, str]], cycle: str = "") -> Tree:
    newest, class_name = classes[name]
    if cycle and f"{name};{cycle}" not in file:
        raise DataError(f"{path}: the tree {name!r} has no cycle {cycle}; its newest is {newest}")
    try:
        return Tree(name, KINDS[class_name], file[f"{name};{cycle or newest}"])
    except Exception as error:
        raise DataError(f"{path}: the tree {name!r} cannot be read, it may be damaged: {first_line(error)}") from error


def _only_tree(trees: list[Tree], path: Path) -> Tree:
    """The tree that holds (nearly) all data of the file."""
    if not trees:
        raise DataError(f"{path}: there is no TTree or RNTuple in this file (it may not have been closed properly)")
    total = sum(tree.weight for tree in trees)
    heaviest = max(trees, key=lambda tree: tree.weight)
    if len(trees) == 1 or (total and heaviest.weight >= DOMINANT * total):
        return heaviest
    raise DataError(
        f"{path}: there are several trees in this file: {', '.join(map(str, trees))}. "
        f"Choose one: 'reader: {{name: root, tree: {heaviest.name}}}'"
    )


def first_line(error: Exception) -> str:
    """What foreign code complained about, in one line."""
    lines = " ".join(str(error).split("\n")[:2]).strip()
    return f"{type(error).__name__}: {lines}" if lines else type(error).__name__
