"""Check components on hostile input: damaged streams and states, forged skeletons, attachments and objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.objects import Columns
from baler_core.data.variables import Json, Schema
from baler_core.errors import BalerError
from baler_core.format.arrays import decode_state
from baler_core.pipeline.decode import not_believed
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.interfaces import Model, State, Training
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.reading import Reader
from baler_core.testing.blocks import MEMORY, coded, decoded, difficult_blocks
from baler_core.testing.damage import ODD, containers, damaged, forge

_BLOCK = 1 << 20
_LONG = 80


def check_hostile_model(model: Model, *, cases: int = 200, seed: int = 1, training: Training | None = None) -> None:
    """Decode damaged streams with damaged states: what comes is an exception or arrays of the right shapes and types.

    Checksums keep accidents from a model, but not what somebody has forged. Exceptions of any kind will do, since the core
    turns them into one FormatError; a crash, a hang, or memory beyond what the layout needs would not.

    Raises
    ------
    AssertionError
        If arrays are of other shapes or types than the layout's.
    """
    random = np.random.default_rng(seed)
    subjects = []
    for kind in sorted(model.kinds):
        block, layout, tolerances = next(difficult_blocks(kind))
        subjects.append((layout, tolerances, *coded(model, block, layout, tolerances, training)))
    for number in range(cases):
        layout, tolerances, intact, stored = subjects[number % len(subjects)]
        streams, what = dict(intact), int(random.integers(3))
        if streams and (what or not decode_state(stored, memory_limit=MEMORY)):
            name = sorted(streams)[int(random.integers(len(streams)))]
            streams[name] = damaged(streams[name], random)
        try:
            with not_believed(Path("forged.bal"), f"the model {model.name!r}"):
                state = decode_state(damaged(stored, random) if what == 0 else stored, memory_limit=MEMORY)
                arrays = decoded(model, streams, _disturbed(state, random) if what == 1 else state, layout, tolerances)
        except BalerError:
            continue
        for variable in layout.variables:
            found, wanted = arrays[variable.name].shape, layout.shape(variable)
            assert found == wanted, f"{variable.name}: damaged streams gave the shape {found}, not {wanted}"
            dtype = arrays[variable.name].dtype
            assert dtype == variable.numpy_dtype, f"{variable.name}: damaged streams gave {dtype}, not {variable.dtype}"


def _disturbed(state: State, random: np.random.Generator) -> State:
    """A state of which one array has other values."""
    if not state:
        return state
    name = sorted(state)[int(random.integers(len(state)))]
    array = np.ascontiguousarray(state[name])
    raw = damaged(array.tobytes(), random)[: array.nbytes].ljust(array.nbytes, b"\0")
    return {**state, name: np.frombuffer(raw, array.dtype).reshape(array.shape)}


def check_hostile_reader(
    reader: Reader, path: Path, folder: Path, *, cases: int = 200, seed: int = 1, odd: Sequence[Json] = (),
    damage_text: Callable[[str, np.random.Generator], str] | None = None,
) -> int:  # fmt: skip
    """Restore the file at `path` from forged skeletons and attachments.

    Each time comes an exception, which the core turns into one FormatError of one line, or a file; nothing else is written
    into `folder`, and a file that lies beside the output stays as it was.

    Parameters
    ----------
    odd
        What else may stand in place of anything in a skeleton: names of types, say, that only this format knows.
    damage_text
        How a text of 80 characters or more in a skeleton, such as a header, is damaged so that more of it gets through.

    Returns
    -------
    How often there was a file.

    Raises
    ------
    AssertionError
        If anything else happens.
    """
    random = np.random.default_rng(seed)
    schema, blocks = _read(reader, path)
    place = folder / "outer" / "inner"
    place.mkdir(parents=True)
    target, victim, original = place / f"restored-{path.name}", place / f"other-{path.name}", path.read_bytes()
    victim.write_bytes(original)
    before = sorted(folder.rglob("*"))
    strange, restored = (*ODD, *odd, str(victim), victim.name, f"../inner/{victim.name}"), 0
    for _ in range(cases):
        forged = _forged(schema, random, strange, damage_text)
        restored += _is_restored(reader, target, forged, blocks)
        for file in (victim, path):
            assert file.read_bytes() == original, f"{file.name} was changed by {forged.skeleton}"
        assert sorted(folder.rglob("*")) == before, f"other files were written by {forged.skeleton}"
    return restored


def _read(reader: Reader, path: Path) -> tuple[Schema, list[Block]]:
    """Read a file as a lossless compression does."""
    with reader.open(path) as source:
        settled = source.settle({name: Tolerance("exact") for name in source.schema.names})
        return settled.schema, list(source.blocks(_BLOCK))


def _is_restored(reader: Reader, target: Path, forged: Schema, blocks: list[Block]) -> bool:
    """Restore a file from a forged schema: whether there was one; if not, there was a message of one line."""
    said = ""
    try:
        with not_believed(target, f"the reader {reader.name!r}"):
            _restore(reader, target, forged, blocks)
        assert target.is_file(), f"no file from {forged.skeleton}"
    except BalerError as error:
        said = str(error)
    assert "\n" not in said, f"a message of several lines from {forged.skeleton}"
    target.unlink(missing_ok=True)
    return not said


def _forged(
    schema: Schema, random: np.random.Generator, odd: tuple[Json, ...],
    damage_text: Callable[[str, np.random.Generator], str] | None,
) -> Schema:  # fmt: skip
    skeleton, attachments = json.loads(json.dumps(dict(schema.skeleton))), dict(schema.attachments)
    if attachments and random.random() < 0.4:
        name = sorted(attachments)[int(random.integers(len(attachments)))]
        data = attachments.pop(name)
        if random.random() < 0.8:
            renamed = random.random() < 0.2
            attachments["../other" if renamed else name] = damaged(data, random)
    else:
        for _ in range(int(random.integers(1, 4))):
            if damage_text is None or random.random() < 0.5 or not _damage_a_text(skeleton, random, damage_text):
                forge(skeleton, random, odd)
    return replace(schema, skeleton=skeleton, attachments=attachments)


def _damage_a_text(
    record: Json, random: np.random.Generator, damage_text: Callable[[str, np.random.Generator], str]
) -> bool:
    """Damage one of the long texts in a record, in place; whether there was one."""
    texts = [
        (found, key)
        for found in containers(record)
        for key, value in (found.items() if isinstance(found, dict) else enumerate(found))
        if isinstance(value, str) and len(value) >= _LONG
    ]
    if texts:
        found, key = texts[int(random.integers(len(texts)))]
        found[key] = damage_text(found[key], random)
    return bool(texts)


def _restore(reader: Reader, target: Path, schema: Schema, blocks: list[Block]) -> None:
    sink = reader.create(target, schema)
    try:
        for block in blocks:
            sink.write(block)
        sink.close()
    except BaseException:
        sink.abort()
        raise


def check_object_kind(kind: ObjectKind, value: Any, *, cases: int = 200, seed: int = 1) -> Any:
    """Take an object apart and put it together again, from what was stored and from forgeries of it.

    Returns
    -------
    The restored object, for a look at what only its author knows.

    Raises
    ------
    AssertionError
        If the restored object is of another type, or is taken apart into anything else.
    """
    assert kind.takes(value), f"{type(value)} is none of {kind.types}"
    stored, arrays = _apart(kind, value)
    restored = kind.put_together(copy.deepcopy(stored), dict(arrays))
    assert type(restored) is type(value), f"a {type(value).__name__} came back as a {type(restored).__name__}"
    again, values = _apart(kind, restored)
    assert again == stored, f"{again} was {stored}"
    assert values.keys() == arrays.keys(), f"arrays {sorted(arrays)} came back as {sorted(values)}"
    for name, array in arrays.items():
        assert values[name].dtype == array.dtype, f"{name}: dtype {values[name].dtype}, not {array.dtype}"
        np.testing.assert_array_equal(values[name], array, err_msg=name)
    random = np.random.default_rng(seed)
    for _ in range(cases):
        forged = copy.deepcopy(stored)
        if isinstance(forged, dict | list):
            forge(forged, random)
        try:
            with not_believed(Path("forged.bal"), f"the kind of object {kind.name!r}"):
                kind.put_together(forged, dict(arrays))
        except BalerError:
            continue
    return restored


def _apart(kind: ObjectKind, value: Any) -> tuple[Json, dict[str, np.ndarray]]:
    """What would be stored of an object: JSON as a file holds it, and arrays."""
    columns = Columns()
    stored = json.loads(json.dumps(kind.take_apart(value, columns, None)))
    schema = columns.schema({})
    arrays: dict[str, np.ndarray] = {}
    for block in ArraySource(schema, columns.arrays).blocks(1 << 40):
        arrays |= {str(name): values_of(block, str(name)) for name in block.variables}
    return stored, arrays
