"""Digest what a compressed file follows from: the bytes of its input, the settings, the variables of the result."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baler_core.data.variables import Schema
from baler_core.pipeline.trained_lookup import checksum


def input_digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder that stands for one."""
    if not path.is_dir():
        return checksum(path)
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            digest.update(f"{file.relative_to(path)}\0{checksum(file)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def settings_digest(stated: Mapping[str, Any], model: str | None) -> str:
    """SHA-256 of settings as they were stated, in their order, and of the file of trained models."""
    text = json.dumps([stated, model], ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def growing_dimensions(schema: Schema) -> tuple[str, ...]:
    """Return the dimensions along which files of one kind are joined: first ones that are never inner ones."""
    inner = {dim for variable in schema.variables for dim in variable.dims[1:]}
    return tuple(dict.fromkeys(v.dims[0] for v in schema.variables if v.dims and v.dims[0] not in inner))


def schema_digest(schema: Schema) -> str:
    """SHA-256 of all that files must share to be joined: variables, units, and the lengths of inner dimensions."""
    growing = growing_dimensions(schema)
    variables = [[v.name, v.dtype, v.dims, v.units, v.scale, v.offset] for v in schema.variables]
    fixed = {dim: size for dim, size in schema.sizes.items() if dim not in growing}
    text = json.dumps([variables, fixed, dict(schema.counts)], ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
