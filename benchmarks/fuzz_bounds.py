"""The fuzzing target `bounds`: odd values in files of every format, under bounds of every kind, restored and read again.

Files are written and read by the libraries of their fields. What each bound promises is checked on every value that these
show, and `evaluate` must agree; a bound that does not fit may be refused in a sentence, but not after the file was read.
"""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case
from fuzz_bounds_kinds import FILE_KINDS, Columns, FileKind, usual_values

import baler_core
from baler_core.evaluate.files import Comparison, evaluate
from baler_core.plugin.registry import load_plugins

_KINDS = ("abs", "rel", "range", "bits", "ulp", "decimals", "mean_abs", "mean_rel", "rms", "noise", "formula")
_SLACK = 1 + 1e-9


def bounded_files(only: str, seed: int) -> Case:
    """Cases that compress a file under a bound, restore it, and check what its library shows."""
    registry, folder = load_plugins(), tempfile.TemporaryDirectory()
    kinds = [kind for kind in FILE_KINDS if only in kind] or list(FILE_KINDS)

    _load_libraries(kinds, Path(folder.name), registry)

    def case(random: np.random.Generator) -> str:
        kind = kinds[int(random.integers(len(kinds)))]
        made = _case(random, FILE_KINDS[kind])
        name = f"{kind} {made.x.dtype} {made.x.shape} fill {made.fill} {made.bound} {made.model}"
        try:
            with tempfile.TemporaryDirectory(dir=folder.name) as place, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return f"{kind} {_round_trip(made, FILE_KINDS[kind], Path(place), registry)}"
        except Exception as error:
            raise type(error)(f"{name}: {error}").with_traceback(error.__traceback__) from None

    case.folder = folder  # type: ignore[attr-defined]
    return case


def _load_libraries(kinds: list[str], folder: Path, registry: Any) -> None:
    """Have everything loaded, since cases run within a limit of memory beyond what is there before."""
    for kind in kinds:
        for shape in ((70,), (8, 9, 10)[: FILE_KINDS[kind].ranks]):
            values = np.arange(float(np.prod(shape))).reshape(shape)
            made = _Case({"x": values, "e": values}, {"abs": "0.1 * e"}, None, {"name": "auto"})
            with tempfile.TemporaryDirectory(dir=folder) as place, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _round_trip(made, FILE_KINDS[kind], Path(place), registry)


@dataclass(frozen=True)
class _Case:
    columns: Columns
    bound: dict[str, Any]
    fill: float | None
    model: dict[str, str]
    packed: bool = False

    @property
    def x(self) -> np.ndarray:
        return self.columns["x"]


def _case(random: np.random.Generator, kind: FileKind) -> _Case:
    dtype = np.dtype(kind.dtypes[int(random.integers(len(kind.dtypes)))])
    rank = int(random.integers(1, kind.ranks + 1))
    shape = tuple(int(random.integers(1, (600, 50, 14)[rank - 1])) for _ in range(rank))
    values = _values(random, shape, dtype)
    fill = None
    if kind.fills and random.random() < 0.5 and (kind.suffix != ".fits" or (rank == 1 and dtype.kind in "iu")):
        fill = float(random.choice([-999.0, 0.0, 100.0, 1e20 if dtype.kind == "f" else 7.0]))
        if dtype.kind == "u":
            fill = abs(fill) % 250
        if dtype.kind in "iu" and abs(fill) > np.iinfo(dtype).max:
            fill = 7.0
        values[random.random(shape) < 0.1] = fill
    columns = {"x": values}
    bound = _bound(random, values)
    if "e" in str(bound.get("abs", "")) and isinstance(bound.get("abs"), str):
        errors = np.abs(random.normal(0, 1, shape)) * (np.nanstd(usual_values(values)) or 1.0)
        errors[random.random(shape) < 0.1] = random.choice([0.0, np.nan, np.inf])
        columns["e"] = errors.astype("<f4" if dtype.itemsize == 4 else "<f8")
    return _Case(columns, bound, fill, _model(random, rank), kind.packed)


def _model(random: np.random.Generator, rank: int) -> dict[str, str]:
    others = ["table", "scalar"] if rank == 1 else ["transform", "predictive", "scalar"]
    name = "auto" if random.random() < 0.6 else str(random.choice(others))
    return {"name": name, "effort": str(random.choice(["fast", "fast", "fast", "balanced", "max"]))}


def _values(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    form, scale = int(random.integers(5)), 10 ** random.uniform(-3, 4)
    found = random.normal(0, 1, shape)
    if form == 1:
        found = np.cumsum(found, -1)
    elif form == 2:
        found = np.round(found, int(random.integers(0, 3)))
    elif form == 3:
        found = np.exp(found * 3)
    found = found * scale + (10 ** random.uniform(0, 5) if random.random() < 0.3 else 0)
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        whole = np.clip(np.rint(found), max(low, -(2.0**53)), min(high, 2.0**53)).astype(dtype)
        if random.random() < 0.3:
            whole[random.random(shape) < 0.05] = (low, high, 0)[int(random.integers(3))]
        return np.asarray(whole)
    found = np.asarray(found.astype(dtype))
    if form == 4:
        found = np.asarray(np.round(found.astype("f8"), 2).astype(dtype))
    if random.random() < 0.6:
        limits = np.finfo(dtype)
        special = [
            np.nan,
            np.inf,
            -np.inf,
            0.0,
            -0.0,
            0.0,
            -0.0,
            float(limits.tiny) / 4,
            float(limits.max),
            1e30,
            -999.0,
        ]
        few = random.choice(special, int(random.integers(1, 4)))
        hit = random.random(shape) < 0.1
        found[hit] = random.choice(few, int(hit.sum())).astype(dtype)
    return found


def _bound(random: np.random.Generator, values: np.ndarray) -> dict[str, Any]:
    kind = str(random.choice(_KINDS))
    usual = usual_values(values)
    size = float(np.std(usual)) or 1.0 if usual.size else 1.0
    share = float(10.0 ** random.uniform(-5, -0.3))
    bound: dict[str, Any]
    if kind in ("bits", "ulp"):
        bound = {kind: int(random.integers(1, 20))}
    elif kind == "decimals":
        bound = {kind: int(random.integers(-2, 6))}
    elif kind in ("rel", "range", "mean_rel"):
        bound = {kind: share}
    elif kind == "noise":
        bound = {kind: float(random.choice([0.1, 0.25, 0.5])), **({"dither": True} if random.random() < 0.3 else {})}
    elif kind == "formula":
        bound = {"abs": f"{share:.6g} * e", "else": {"rel": 1e-3}}
    else:
        bound = {kind: size * share}
        if kind in ("mean_abs", "rms") and random.random() < 0.5:
            bound["abs"] = 3 * size * share
    if usual.size and random.random() < 0.3:
        bound["limits"] = {"min": float(np.quantile(usual, random.choice([0, 0.2])))}
    if random.random() < 0.2:
        bound["sign"] = str(random.choice(["keep", "free"]))
    for name in ("exact_at", "threshold"):
        if usual.size and random.random() < 0.2:
            bound[name] = [float(random.choice([0.0, usual[0], np.median(usual)]))]
    return bound


def _round_trip(made: _Case, kind: FileKind, place: Path, registry: Any) -> str:
    original, packed, restored = place / f"a{kind.suffix}", place / "a.bal", place / f"b{kind.suffix}"
    kind.write(original, made.columns, made.fill)
    bounds: Any = {"x": made.bound, **({"e": {"rel": 0.05}} if "e" in made.columns else {})}
    try:
        baler_core.compress(original, packed, bounds=bounds, model=made.model)
    except baler_core.ConfigError as error:
        if "bug" in str(error):
            raise
        return "refused"
    baler_core.decompress(packed, restored)
    _check(made, kind.read(original), kind.read(restored))
    if kind.masked is not None:
        assert np.array_equal(kind.masked(original), kind.masked(restored)), "the mask differs"
    for other in (packed, restored):
        results = evaluate(original, other, registry, Comparison(compressed=packed))
        wrong = [v.name for v in results.variables if v.violations]
        assert not wrong, f"evaluate finds {wrong} beyond the bound in the {other.suffix} file"
    return "held"


def _check(made: _Case, x: np.ndarray, y: np.ndarray) -> None:
    assert (x.dtype, x.shape) == (y.dtype, y.shape), f"{y.dtype} {y.shape}"
    if x.dtype.kind == "f":
        assert np.array_equal(np.isnan(x), np.isnan(y)), "NaN moved"
        assert np.array_equal(np.isinf(x), np.isinf(y)), "infinities"
    finite = np.isfinite(x)
    before, after = x[finite].astype(np.longdouble), y[finite].astype(np.longdouble)
    _check_sides(made, before, after)
    allowed = _allowed(made, before, x[finite], finite)
    if allowed is not None:
        wrong = np.abs(after - before) > allowed * _SLACK
        assert not wrong.any(), f"{int(wrong.sum())} beyond: {before[wrong][0]} became {after[wrong][0]}"
    _check_means(made, before, after)


def _check_sides(made: _Case, x: np.ndarray, y: np.ndarray) -> None:
    bound = made.bound
    if "limits" in bound:
        inside = x >= bound["limits"]["min"]
        assert (y[inside] >= bound["limits"]["min"]).all(), "beyond a limit"
    if bound.get("sign") == "keep":
        assert (np.sign(x) == np.sign(y))[(x != 0) & (y != 0)].all(), "a sign changed"
    stated = bound.get("exact_at", []) + bound.get("threshold", [])
    for number in (n for n in stated if made.x.dtype.kind == "f" or (n == int(n) and abs(n) < 2.0**53)):
        number = made.x.dtype.type(number)
        assert np.array_equal(x == number, y == number), f"{number} did not stay exact"
    for number in bound.get("threshold", []):
        assert np.array_equal(x < number, y < number), f"the side of {number} changed"
    if made.fill is not None:
        number = made.x.dtype.type(made.fill)
        assert np.array_equal(x == number, y == number), f"the fill value {number} moved"


def _allowed(made: _Case, x: np.ndarray, stored: np.ndarray, finite: np.ndarray) -> Any:
    bound = made.bound
    if isinstance(bound.get("abs"), float):
        return np.longdouble(bound["abs"])
    if "rel" in bound:
        return np.longdouble(bound["rel"]) * np.abs(x)
    if "ulp" in bound and not made.packed:
        return bound["ulp"] * (np.spacing(np.abs(stored)).astype(np.longdouble) if made.x.dtype.kind == "f" else 1)
    if "decimals" in bound:
        return np.longdouble(0.5) * np.longdouble(10.0) ** -bound["decimals"]
    if "range" in bound and x.size:
        return np.longdouble(bound["range"]) * (x.max() - x.min())
    if isinstance(bound.get("abs"), str):
        errors = made.columns["e"][finite].astype(np.longdouble)
        share = np.longdouble(bound["abs"].split(" ")[0])
        known = np.isfinite(errors) & (errors > 0)
        return np.where(known, share * np.where(known, errors, 0), np.longdouble(1e-3) * np.abs(x))
    return None


def _check_means(made: _Case, x: np.ndarray, y: np.ndarray) -> None:
    bound, error = made.bound, np.abs(y - x)
    if not x.size:
        return
    if "mean_abs" in bound:
        assert error.mean() <= bound["mean_abs"] * _SLACK, "the mean error"
    if "rms" in bound:
        assert np.sqrt((error**2).mean()) <= bound["rms"] * _SLACK, "the RMS error"
    if "mean_rel" in bound and (x != 0).any():
        assert (error[x != 0] / np.abs(x[x != 0])).mean() <= bound["mean_rel"] * _SLACK, "the mean relative error"
