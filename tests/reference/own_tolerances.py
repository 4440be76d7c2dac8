"""Tolerances that follow from other variables, and steps that follow from them (file_format.md: tolerances of each value)."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from reference.reading import Damaged
from reference.tolerances import Tolerance, Variable

LONGEST, DEEPEST, MOST_NEEDS = 1000, 50, 8
NOTHING, SAFETY, SHARE = 1e-300, 1 - 2.0**-20, 1 - 2.0**-40
MOST_POINTS, LARGEST_STEP, ROUNDING = 2.0**30, 2.0**40, 1e-12
Interval = tuple[np.ndarray, np.ndarray]
Arrays = Mapping[str, np.ndarray]


def parse(text: str) -> tuple[ast.expr, dict[str, str]]:
    """A formula as a tree, and what its placeholders for names between backticks stand for."""
    if len(text) > LONGEST:
        raise Damaged("a formula is too long")
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        quoted[word := f"quoted_{len(quoted)}_"] = match.group(1)
        return f" {word} "

    tree = ast.parse(re.sub("`([^`]*)`", placeholder, text).strip(), mode="eval").body
    level, depth = list[ast.AST]([tree]), 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    if depth > DEEPEST:
        raise Damaged("a formula is too deep")
    return tree, quoted


def name_of(node: ast.expr, quoted: Mapping[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value, quoted)}.{node.attr}"
    if not isinstance(node, ast.Name):
        raise Damaged("a formula is not understood")
    return quoted.get(node.id, node.id)


def names_in(node: ast.expr, quoted: Mapping[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        yield name_of(node, quoted)
    elif isinstance(node, ast.Call):
        for part in node.args:
            yield from names_in(part, quoted)
    elif not isinstance(node, ast.Constant):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from names_in(part, quoted)


def enclosed(node: ast.expr, quoted: Mapping[str, str], known: Mapping[str, Interval]) -> Interval:
    """The interval of a formula."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return np.asarray(float(node.value)), np.asarray(float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.BinOp):
        return binary(type(node.op), enclosed(node.left, quoted, known), enclosed(node.right, quoted, known))
    if isinstance(node, ast.UnaryOp):
        low, high = enclosed(node.operand, quoted, known)
        return (-high, -low) if isinstance(node.op, ast.USub) else (low, high)
    if isinstance(node, ast.Call):
        parts = [enclosed(part, quoted, known) for part in node.args]
        return called(name_of(node.func, quoted), parts)
    return known[name_of(node, quoted)]


def outwards(low: np.ndarray, high: np.ndarray) -> Interval:
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def binary(sign: type[ast.operator], a: Interval, b: Interval) -> Interval:
    if sign is ast.Add:
        return outwards(a[0] + b[0], a[1] + b[1])
    if sign is ast.Sub:
        return outwards(a[0] - b[1], a[1] - b[0])
    if sign not in (ast.Mult, ast.Div):
        raise Damaged("a formula is not understood")
    ends = [x * y if sign is ast.Mult else x / y for x in a for y in b]
    low, high = outwards(reduce(np.minimum, ends), reduce(np.maximum, ends))
    nothing = (b[0] <= 0) & (b[1] >= 0) & (sign is ast.Div)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def absolute(a: Interval) -> Interval:
    nearest = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(np.abs(a[0]), np.abs(a[1])))
    largest = np.maximum(np.abs(a[0]), np.abs(a[1]))
    return nearest + 0 * largest, largest


def root(a: Interval) -> Interval:
    low = np.sqrt(np.where(a[1] >= 0, np.maximum(a[0], 0.0), np.nan))
    return outwards(low, np.sqrt(a[1]))


def called(name: str, parts: list[Interval]) -> Interval:
    if len(parts) < 1 + (name in ("hypot", "min", "max")) or (name in ("abs", "sqrt") and len(parts) > 1):
        raise Damaged("a formula is not understood")
    if name == "abs":
        return absolute(parts[0])
    if name == "sqrt":
        return root(parts[0])
    if name == "hypot":
        sizes = [absolute(part) for part in parts]
        return root(reduce(lambda a, b: binary(ast.Add, a, b), [binary(ast.Mult, size, size) for size in sizes]))
    smaller = {"min": np.minimum, "max": np.maximum}[name]
    return reduce(smaller, [part[0] for part in parts]), reduce(smaller, [part[1] for part in parts])


@dataclass
class OwnTolerances:
    """The variables of a file, and those of this block that are restored."""

    variables: dict[str, Variable]
    before: dict[str, np.ndarray] = field(default_factory=dict)

    def parents(self, name: str) -> dict[str, Variable]:
        """The variables in the formula of a variable, by their names there."""
        child = self.variables[name]
        if child.tolerance.kind != "each" or not child.tolerance.formula:
            return {}
        found = {word: self._meant(word, name) for word in names_in(*parse(child.tolerance.formula))}
        for parent in found.values():
            if not child.dims or parent.dims[: len(child.dims)] != child.dims or parent.tolerance.kind == "free":
                raise Damaged("the formula of a bound needs what it cannot have")
        return found

    def _meant(self, word: str, child: str) -> Variable:
        group, slash, _ = child.rpartition("/")
        last = [name for name in self.variables if name.rpartition("/")[2] == word]
        for name in (word, f"{group}{slash}{word}", *(last if len(last) == 1 else [])):
            if name in self.variables:
                return self.variables[name]
        raise Damaged(f"a formula needs {word!r}, which is not in this file")

    def ancestors(self, name: str, depth: int = 0) -> set[str]:
        """All variables that the tolerance of a variable follows from."""
        if depth > MOST_NEEDS:
            raise Damaged("formulas need each other to no end")
        parents = {parent.name for parent in self.parents(name).values()}
        return parents.union(*(self.ancestors(parent, depth + 1) for parent in parents))

    def each(self, name: str, restored: Arrays) -> np.ndarray:
        """The tolerance of each value, flat: 0 where another bound holds, -1 where the value is exact."""
        child, arrays, parents = self.variables[name], {**restored, **self.before}, self.parents(name)
        if not parents or any(need not in arrays for need in self.ancestors(name)):
            raise Damaged(f"the tolerances of {name!r} follow from nothing")
        size = math.prod(arrays[next(iter(parents.values())).name].shape[: len(child.dims)])
        known = {word: self._ends(parent, arrays, size) for word, parent in parents.items()}
        low, high = (np.broadcast_to(end, size) for end in enclosed(*parse(child.tolerance.formula), known))
        least = np.maximum(np.maximum(low, -high), 0.0) / abs(child.tolerance.scale)
        good = np.isfinite(low) & np.isfinite(high) & (least <= child.tolerance.value)
        unsure = good & (least <= NOTHING) & (np.maximum(np.abs(low), np.abs(high)) > NOTHING)
        return np.where(unsure, -1.0, np.where(good & (least > NOTHING), least, 0.0))

    def _ends(self, parent: Variable, arrays: Arrays, size: int) -> Interval:
        """The interval of each of the parent's originals; of several for one value, that of the smallest."""
        tolerance, part = parent.tolerance, arrays[parent.name].reshape(size, -1)
        values = part.astype("<f8")
        if (tolerance.scale, tolerance.offset) != (1.0, 0.0):
            values = values * tolerance.scale + tolerance.offset
        known = np.isfinite(values)
        for mark in tolerance.marks:
            known &= part != mark
        values = np.where(known, values, np.nan)
        low, high = self._moved(parent, values, arrays)
        low, high = np.fmin(low, high) + 0 * values, np.fmax(low, high) + 0 * values
        if values.shape[1] == 1:
            return low[:, 0], high[:, 0]
        low, high = absolute((low, high))
        return low.min(axis=1), high.min(axis=1)

    def _moved(self, parent: Variable, values: np.ndarray, arrays: Arrays) -> Interval:
        tolerance = parent.tolerance
        if tolerance.kind == "exact":
            return values, values
        if tolerance.kind == "each" and tolerance.formula:
            each = self.each(parent.name, arrays).reshape(values.shape) * abs(tolerance.scale)
            low, high = by_bound(values, tolerance.other)
            return np.where(each > 0, values - each, low), np.where(each > 0, values + each, high)
        if tolerance.kind == "abs" and (tolerance.bound is None or tolerance.bound[0] != "abs"):
            reach = tolerance.value * abs(tolerance.scale)
            return values - reach, values + reach
        if tolerance.bound is not None and tolerance.bound[0] == "ulp":
            return by_bound(values, ("bits", max(1.0, float(int(tolerance.value)))))
        return by_bound(values, tolerance.bound)


def by_bound(values: np.ndarray, bound: tuple[str, Any] | None) -> Interval:
    """Values less and more what a bound allows."""
    if bound is None or bound[0] in ("lossless", "none"):
        return values, values
    if bound[0] == "abs":
        return values - bound[1], values + bound[1]
    share = bound[1] if bound[0] == "rel" else 2.0 ** -int(bound[1])
    return values / (1 + share), values / (1 - share) if share < 1 else values * np.inf


def from_steps(
    codes: np.ndarray, each: np.ndarray, points: float, dtype: np.dtype[Any], centre: np.ndarray | None = None
) -> np.ndarray:
    """Values from codes, whose steps follow from what is allowed to each value; with a centre, without points."""
    if dtype.kind == "f":
        step, merged = 2 * each * (SAFETY * SHARE), np.zeros(each.shape)
        if points and centre is None:
            merged = np.floor(step * points if points > 0 else step / -points) + 1
            merged = np.where(merged < MOST_POINTS, merged, 0.0)
    else:
        step = 2 * np.floor(np.minimum(each * (1 + ROUNDING), LARGEST_STEP)) + 1
        merged = np.where((step > 1) & (centre is None), step, 0.0)
    before = np.where(merged % 2, (merged - 1) / 2, 0.0)
    numbers = codes * merged - before + (merged - 1) / 2
    on_points = numbers / points if points > 0 else numbers * -points
    values = np.where(merged > 0, on_points, codes * step + (0.0 if centre is None else centre))
    return rounded(values, dtype)


def rounded(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    ends = np.iinfo(dtype)
    high = np.nextafter(float(ends.max), 0) if dtype.itemsize == 8 else float(ends.max)
    return np.clip(np.rint(np.nan_to_num(values)), float(ends.min), high).astype(dtype)


def own_of(tolerance: Tolerance) -> bool:
    """Whether each value has a tolerance of its own."""
    return tolerance.kind == "each"
