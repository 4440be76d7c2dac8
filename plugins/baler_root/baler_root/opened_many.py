"""Read the trees of many .bal files one after the other, or as one, as `uproot.iterate` and `uproot.concatenate` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from glob import glob as matching
from glob import has_magic
from typing import Any

from baler_core import ConfigError
from baler_root.opened import RootFile
from baler_root.opened import open as open_one
from baler_root.opened_together import library_of
from baler_root.opened_tree import OpenTree


def iterate(files: Any, expressions: Any = None, cut: str | None = None, **options: Any) -> Iterator[Any]:
    """Return one part of the entries after the other, of one file after the other.

    Parameters
    ----------
    files
        A path or pattern with the name of a tree, `run*.bal:Events`, several of them, or a mapping of paths to trees. The name
        may be left out where there is one tree alone.
    expressions, cut, options
        As for `OpenTree.iterate`.
    """
    for tree in _trees(files):
        with tree:
            yield from tree.iterate(expressions, cut, **options)


def concatenate(files: Any, expressions: Any = None, cut: str | None = None, **options: Any) -> Any:
    """Return the entries of many files as one array, dictionary or table; `options` as for `OpenTree.arrays`.

    Raises
    ------
    ConfigError
        If there are no files.
    """
    parts = []
    for tree in _trees(files):
        with tree:
            parts.append(tree.arrays(expressions, cut, **options))
    if not parts:
        raise ConfigError(f"concatenate({files!r}): there are no such files")
    if library_of(options.get("library", "ak")) == "pd" and not isinstance(parts[0], dict | tuple | list):
        import pandas as pd

        return pd.concat(parts)
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], tuple | list):
        return type(parts[0])(_joined(list(columns)) for columns in zip(*parts, strict=True))
    return _joined(parts)


def _joined(parts: list[Any]) -> Any:
    import awkward as ak
    import numpy as np

    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else ak.concatenate(parts)


def _trees(files: Any) -> Iterator[OpenTree]:
    for place in _places(files):
        opened = open_one(place)
        if isinstance(opened, RootFile):
            trees = list(opened.trees.values())
            if len(trees) != 1:
                opened.close()
                raise ConfigError(
                    f"{opened.file_path}: which tree? It holds {', '.join(opened.trees)}: write FILE:TREE"
                )
            (opened,) = trees
        yield opened


def _places(files: Any) -> Iterator[Any]:
    """Return what `open` takes, patterns resolved."""
    if isinstance(files, Mapping):
        for path, tree in files.items():
            yield from ({one: tree} for one in _matching(str(path)))
    elif isinstance(files, str):
        path, colon, tree = files.rpartition(":")
        named = colon and path.lower().endswith(".bal")
        yield from ({one: tree} if named else one for one in _matching(path if named else files))
    elif isinstance(files, Iterable) and not isinstance(files, bytes):
        for one in files:
            yield from _places(one)
    else:
        yield files


def _matching(path: str) -> list[str]:
    return sorted(matching(path)) if has_magic(path) and "://" not in path else [path]
