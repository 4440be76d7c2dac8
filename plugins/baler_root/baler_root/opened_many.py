"""Read the trees of many .bal files one after the other, or as one, as `uproot.iterate` and `uproot.concatenate` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from glob import glob as matching
from glob import has_magic
from typing import Any

from baler_core import ConfigError
from baler_root.opened import RootFile
from baler_root.opened import open as open_one
from baler_root.opened_together import groups_of
from baler_root.opened_tree import OpenTree


def iterate(files: Any, expressions: Any = None, cut: str | None = None, **options: Any) -> Iterator[Any]:
    """Return one part of the entries after the other, of one file after the other.

    Tables of pandas are numbered, and reports count their global entries, over all files.

    Parameters
    ----------
    files
        A path or pattern with the name of a tree, `run*.bal:Events`, several of them, or a mapping of paths to trees. The name
        may be left out where there is one tree alone.
    expressions, cut, options
        As for `OpenTree.iterate`, without `entry_start` and `entry_stop`.

    Raises
    ------
    ConfigError
        If entries are stated.
    """
    if stated := {"entry_start", "entry_stop"} & options.keys():
        raise ConfigError(
            f"iterate({min(stated)}=...): goes over all entries of all files: use concatenate, or iterate of one tree"
        )
    return _iterated(files, expressions, cut, options)


def _iterated(files: Any, expressions: Any, cut: str | None, options: Mapping[str, Any]) -> Iterator[Any]:
    library = groups_of(options.get("library", "ak"))
    before = 0
    for tree in _trees(files):
        with tree:
            for part in tree.iterate(expressions, cut, **options):
                if options.get("report"):
                    yield library.global_index(part[0], before), part[1].to_global(before)
                else:
                    yield library.global_index(part, before)
            before += tree.num_entries


def concatenate(
    files: Any,
    expressions: Any = None,
    cut: str | None = None,
    *,
    entry_start: int | None = None,
    entry_stop: int | None = None,
    **options: Any,
) -> Any:
    """Return the entries of many files as one array, dictionary or table, whose rows are numbered over all files.

    Parameters
    ----------
    files, expressions, cut
        As for `iterate`.
    entry_start, entry_stop
        Entries, counted over all files: negative ones from the end.
    options
        As for `OpenTree.arrays`.

    Raises
    ------
    ConfigError
        If there are no files.
    """
    library = groups_of(options.get("library", "ak"))
    start, stop = 0, None
    if (entry_start, entry_stop) != (None, None):
        start, stop, _ = slice(entry_start, entry_stop).indices(sum(_lengths(files)))
    parts, before = list[Any](), 0
    for tree in _trees(files):
        with tree:
            rows = slice(max(0, start - before), tree.num_entries if stop is None else max(0, stop - before))
            if rows.start < min(rows.stop, tree.num_entries) or not parts:
                found = tree.arrays(expressions, cut, entry_start=rows.start, entry_stop=rows.stop, **options)
                parts.append(library.global_index(found, before))
            before += tree.num_entries
    if not parts:
        raise ConfigError(f"concatenate({files!r}): there are no such files")
    return library.concatenate(parts)


def _lengths(files: Any) -> Iterator[int]:
    for tree in _trees(files):
        with tree:
            yield tree.num_entries


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
