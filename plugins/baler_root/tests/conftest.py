"""Fixtures of the ROOT tests: a tree read in small blocks and written again, and what it must look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import Schema, values_of
from baler_root.reader import RootOptions, RootReader
from baler_root.schema.parts import take_parts
from baler_root.schema.skeleton import branches_of


def _restore(
    path: Path,
    out: Path,
    *,
    tree: str | None = None,
    variables: Sequence[str] | None = None,
    max_bytes: int = 2000,
) -> tuple[Schema, Sequence[str]]:
    """Read a tree in blocks, check each block against the schema, write it; returns schema and warnings."""
    reader = RootReader(RootOptions(tree=tree))
    with reader.open(path, variables) as source:
        rows = dict.fromkeys(source.schema.sizes, 0)
        sink = reader.create(out, source.schema)
        for block in source.blocks(max_bytes):
            for variable in map(source.schema.__getitem__, map(str, block.variables)):
                assert values_of(block, variable.name).dtype == variable.numpy_dtype
                assert block.variables[variable.name].dims == variable.dims
            for dim, counts in source.schema.counts.items():
                if counts not in block.variables:
                    continue
                assert values_of(block, counts).sum() == block.sizes[dim]
            rows = {dim: rows[dim] + block.sizes.get(dim, 0) for dim in rows if not dim.startswith("[")}
            sink.write(block)
        sink.close()
        for dim, length in rows.items():
            assert source.schema.sizes[dim] == length
        return source.schema, source.warnings


def _arrays(tree: Any, keys: Sequence[str]) -> dict[str, ak.Array]:
    if isinstance(tree, uproot.TTree):
        return tree.arrays(list(keys), how=dict) if keys else {}
    record = tree.arrays()
    return {key: record[key] for key in keys}


def _same_values(first: ak.Array, second: ak.Array) -> bool:
    """Equal types, structures and bits of values."""
    if ak.type(first) != ak.type(second):
        return False
    form, length, buffers = ak.to_buffers(first)
    form_, length_, buffers_ = ak.to_buffers(second)
    same = form == form_ and length == length_ and buffers.keys() == buffers_.keys()
    return same and all(np.array_equal(buffers[k].view(np.uint8), buffers_[k].view(np.uint8)) for k in buffers)


def _check(path: Path, out: Path, name: str, keys: Sequence[str]) -> None:
    """Every branch of `keys` came back: value by value, type by type, title by title, in the same order."""
    with uproot.open({str(path): None}) as original_file, uproot.open({str(out): None}) as restored_file:
        original, restored = original_file[name], restored_file[name]
        assert restored.num_entries == original.num_entries
        wanted = set(keys)
        order, restored_order = list(original.keys()), list(restored.keys())
        assert [key for key in order if key in wanted] == [key for key in restored_order if key in wanted]
        values, restored_values = _arrays(original, keys), _arrays(restored, keys)
        for key in keys:
            assert _same_values(ak.to_packed(values[key]), ak.to_packed(restored_values[key])), key
            if isinstance(original, uproot.TTree):
                assert restored[key].title == original[key].title


@pytest.fixture
def restore(tmp_path: Path) -> Callable[..., tuple[Schema, Sequence[str], Path]]:
    """Write the tree of a file again and compare all its branches: `restore(path, tree=..., variables=...)`."""

    def run(path: Path, **options: Any) -> tuple[Schema, Sequence[str], Path]:
        out = tmp_path / "restored.root"
        schema, warnings = _restore(path, out, **options)
        for part in take_parts(schema):
            if part.schema.variables:
                _check(path, out, part.schema.skeleton["tree"], [branch.key for branch in branches_of(part.schema)])
        return schema, warnings, out

    return run
