"""Read events of some branches into awkward layouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from baler_root.contents.branches import Branch
from baler_root.contents.trees import WITHOUT_IT, Tree, UnreadableError, first_line

if TYPE_CHECKING:
    from awkward.contents import Content


def read_layouts(tree: Tree, branches: Sequence[Branch], rows: slice, where: str) -> dict[str, Content]:
    """`{branch key: awkward layout}` of the events `rows`.

    Raises
    ------
    UnreadableError
        If a branch cannot be read, naming it.
    """
    keys = [branch.key for branch in branches]
    if rows.start >= rows.stop or not keys:
        return {key: _empty(tree, key) for key in keys}
    try:
        return _read(tree, keys, rows)
    except Exception:
        # one by one: slower, and it tells which branch is the trouble
        return {key: _read_one(tree, key, rows, where) for key in keys}


def _read(tree: Tree, keys: list[str], rows: slice) -> dict[str, Content]:
    if tree.kind == "TTree":
        return {key: tree.read(key, rows.start, rows.stop) for key in keys}
    inside = tuple(f"{key}." for key in keys)  # names of fields may have dots themselves
    record = tree.tree.arrays(
        filter_field=lambda field: f"{field.path}.".startswith(inside),
        entry_start=rows.start,
        entry_stop=rows.stop,
    )
    return {key: record[key].layout for key in keys}


def _read_one(tree: Tree, key: str, rows: slice, where: str) -> Content:
    try:
        return _read(tree, [key], rows)[key]
    except Exception as error:
        raise UnreadableError(
            f"{where}: the branch {key!r} cannot be read for the events {rows.start} to {rows.stop}: "
            f"{first_line(error)}. The file may be damaged or cut short; {WITHOUT_IT}"
        ) from error


def unreadable(tree: Tree, branches: Sequence[Branch], rows: slice) -> dict[str, str]:
    """Return the keys of those branches of which these events cannot be read, with what was said of each."""
    keys = [branch.key for branch in branches]
    found: dict[str, str] = {}
    try:
        _read(tree, keys, rows)
    except Exception:
        for key in keys:
            try:
                _read(tree, [key], rows)
            except Exception as error:
                found[key] = first_line(error)
    return found


def _empty(tree: Tree, key: str) -> Content:
    """A layout of no events."""
    import awkward as ak

    if tree.kind == "TTree":
        form: Any = (tree.readings.get(key) or tree.handles[key].interpretation).awkward_form(tree.tree.file)
    else:
        form = tree.ntuple_form.content(key)
    return form.length_zero_array(highlevel=False) if hasattr(form, "length_zero_array") else ak.contents.EmptyArray()


def event_ranges(tree: Tree, max_bytes: int) -> Iterator[slice]:
    """Yield consecutive events that hold about `max_bytes` of values each."""
    values_bytes = max(tree.weight, 4 * tree.tree.file.fEND)  # files are rarely compressed by more than 4
    blocks = max(1, -(-values_bytes // max_bytes))
    step = max(1, -(-tree.entries // blocks))
    for start in range(0, tree.entries, step):
        yield slice(start, min(start + step, tree.entries))
