"""The fuzzing target `arrays`: odd arrays of every type and rank, compressed and opened again, each value checked.

Under a lossless bound every bit must come back, under others every value within its bound, and no model may fail on the
way: what one cannot hold, another must.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case

import baler_core

_INTEGERS = ("i1", "u1", "<i2", ">u2", "<i4", "<u4", ">i4", "<i8", "<u8", ">i8")
_FLOATS = ("<f4", "<f8", ">f4", ">f8", "<f2")
_OTHERS = ("?", "<c16", ">c8", "<M8[ns]", "<m8[s]", ">M8[D]", "m8[25s]", "S5", "<U3", "V3")
_SLACK = 1 + 1e-9


def round_trips(only: str, seed: int) -> Case:
    """Cases that compress an array and open it again."""
    failures: list[str] = []

    class Failures(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "failed" in record.getMessage():
                failures.append(record.getMessage())

    logging.getLogger("baler_core").addHandler(Failures(logging.WARNING))
    folder = tempfile.TemporaryDirectory()
    _load_loops(Path(folder.name) / "first.bal", only)

    def case(random: np.random.Generator) -> str:
        failures.clear()
        values, bound, model = _array(random, only), _bound(random), _model(random, only)
        name = f"{values.dtype} {values.shape} {bound} {model}"
        try:
            file = Path(folder.name) / "a.bal"
            rules: Any = {"bounds": {"a": bound}} if bound and values.dtype.kind in "iuf" else {}
            baler_core.compress({"a": values}, file, model=model, **rules)
            restored = baler_core.open(file, as_="original")["a"]
            assert restored.dtype == values.dtype, f"dtype {restored.dtype}"
            _check(values, restored, bound if rules else None)
            assert not failures, failures[0]
        except Exception as error:
            raise type(error)(f"{name}: {error}").with_traceback(error.__traceback__) from None
        finally:
            file.unlink(missing_ok=True)
        return f"{values.ndim}-D"

    case.folder = folder  # type: ignore[attr-defined]
    return case


def _load_loops(file: Path, only: str) -> None:
    """Have the loops of all models and efforts compiled, or loaded, which takes time once."""
    row = np.arange(600)
    for arrays in ({"a": np.sin(row / 9), "b": row % 7}, {"a": np.sin(row.reshape(5, 12, 10) / 9)}):
        for name in ("table",) if len(arrays) > 1 else ("transform", "predictive"):
            for effort in ("fast", "balanced", "max") if only in ("", "grid", name) else ():
                baler_core.compress(arrays, file, model={"name": name, "effort": effort})
                baler_core.open(file)
                file.unlink()


def _model(random: np.random.Generator, only: str) -> dict[str, str]:
    names = ["auto", "auto", "transform", "predictive", "table", "scalar"]
    name = only if only in names[1:] else names[int(random.integers(len(names)))]
    return {"name": name, "effort": str(random.choice(["fast", "fast", "fast", "balanced", "max"]))}


def _bound(random: np.random.Generator) -> dict[str, float] | None:
    kind = random.choice(["", "abs", "rel", "range"])
    return None if not kind else {str(kind): float(10.0 ** random.uniform(-6, 6 if kind == "abs" else -0.1))}


def _array(random: np.random.Generator, only: str) -> np.ndarray:
    rank = int(random.integers(2, 6)) if only == "grid" else 0 if random.random() < 0.02 else int(random.integers(1, 6))
    most = (1, 900, 45, 14, 7, 5)[rank]
    shape = tuple(int(random.integers(0 if random.random() < 0.03 else 1, most)) for _ in range(rank))
    kinds = (_INTEGERS, _INTEGERS, _FLOATS, _OTHERS)
    kind = kinds[int(random.integers(len(kinds)))]
    dtype = np.dtype(kind[int(random.integers(len(kind)))])
    if dtype.kind in "iu":
        return _integers(random, shape, dtype)
    if dtype.kind == "f":
        return _floats(random, shape, dtype)
    if dtype.kind in "mM":
        numbers = np.asarray(_integers(random, shape, np.dtype("<i8")) >> int(random.integers(0, 20)))
        if random.random() < 0.5:
            numbers[random.random(shape) < 0.1] = np.iinfo("i8").min
        return numbers.astype(dtype.str[0] + "i8").view(dtype)
    if dtype.kind == "V":
        return np.frombuffer(random.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)
    if dtype.kind == "c":
        return np.asarray(_floats(random, shape, np.dtype("f4")) + 1j * random.normal(size=shape)).astype(dtype)
    return np.asarray(random.integers(0, 50, shape)).astype(dtype)


def _integers(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    width = high >> int(random.integers(0, 8 * dtype.itemsize))
    form = int(random.integers(5))
    if form == 0:
        return np.full(shape, (low, high, 0, 1)[int(random.integers(4))], dtype)
    if form == 1:
        return np.array([low, high, 0], dtype)[random.integers(0, 3, shape)]
    if form == 2:  # smooth
        found = np.clip(_smooth(random, shape) * float(width), float(low), float(np.nextafter(float(high), 0)))
        with np.errstate(invalid="ignore"):  # numpy warns of large unsigned numbers that it casts well
            return np.rint(found).astype(dtype.newbyteorder("=")).astype(dtype)
    offset = int(random.integers(low, high, endpoint=True, dtype=dtype.newbyteorder("=")))
    first, last = max(low, offset - width), min(high, offset + width)
    found = random.integers(first, last, shape, dtype=dtype.newbyteorder("="), endpoint=True)
    return np.sort(found, axis=-1).astype(dtype) if form == 3 and shape else found.astype(dtype)


def _floats(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    top = np.log10(float(np.finfo(dtype).max))
    with np.errstate(over="ignore", invalid="ignore"):
        found = _smooth(random, shape) if random.random() < 0.5 else random.normal(size=shape)
        found = found * 10 ** random.uniform(-top, top * 0.9)
        if random.random() < 0.3:
            found += 10 ** random.uniform(-3, top * 0.9)
        if random.random() < 0.3:
            found = np.round(found, int(random.integers(0, 4)))
        found = np.asarray(found.astype(dtype))
    if random.random() < 0.4:
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).tiny]
        hit = random.random(shape) < 0.1
        found[hit] = random.choice(special, int(hit.sum()))
    if random.random() < 0.2:
        found[random.random(shape) < random.random()] = 0
    return found


def _smooth(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    phase = sum(
        np.arange(n).reshape([-1 if axis == number else 1 for axis in range(len(shape))]) * random.uniform(0, 0.5)
        for number, n in enumerate(shape)
    )
    return np.broadcast_to(np.sin(np.asarray(phase, np.float64)), shape).copy()


def _check(values: np.ndarray, restored: np.ndarray, bound: dict[str, float] | None) -> None:
    assert restored.shape == values.shape, f"shape {restored.shape}"
    if values.dtype.kind in "iubcSUmMV" and bound is None:
        assert values.tobytes() == restored.tobytes(), "changed"
        return
    before, after = values.astype(np.longdouble), restored.astype(np.longdouble)
    ordinary = np.isfinite(before)
    assert np.array_equal(np.isnan(before), np.isnan(after)), "NaN moved"
    assert np.array_equal(before[np.isinf(before)], after[np.isinf(before)]), "infinities changed"
    (kind, value) = next(iter(bound.items())) if bound else ("rel", 1e-3)
    before, after = before[ordinary], after[ordinary]
    if not before.size:
        return
    allowed = value * (abs(before) if kind == "rel" else before.max() - before.min() if kind == "range" else 1.0)
    wrong = abs(after - before) > allowed * _SLACK
    assert not wrong.any(), f"{int(wrong.sum())} values beyond the bound, {before[wrong][0]} became {after[wrong][0]}"
