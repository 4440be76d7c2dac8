"""The model `table`: row blocks, columns, and values from their symbols (format/table.md)."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace

import numpy as np

from reference.exponential import exp
from reference.lattice import BITS, Lattice
from reference.own_tolerances import OwnTolerances, from_steps
from reference.reading import Bytes, Damaged, unpack
from reference.scalar import Shapes
from reference.table_contexts import Known
from reference.table_formulas import evaluate
from reference.table_plan import BY_CODES, DICTIONARY, DIFFERENCES, LOG, WHOLE, Column, Plan, read_plan
from reference.table_symbols import decode_symbols
from reference.tolerances import Variable

CONSTANT, MIXED, PACKED, APART = range(4)
WORTH = 8
CONTEXTS = {"fast": 1, "balanced": 5, "max": 16}
Part = tuple[np.ndarray, np.ndarray]


def decode_table(
    streams: dict[str, bytes], variables: list[Variable], shapes: Shapes, state: dict[str, np.ndarray], effort: str,
    lengths: np.ndarray | None, tolerances: OwnTolerances,
) -> list[np.ndarray]:  # fmt: skip
    plan_bytes, rows = state["plan"].astype("u1").tobytes(), shapes[0][0]
    columns, there = _columns(state, variables)
    plan = read_plan(plan_bytes, [dtype for _, dtype in columns])
    primer = _primer(state, plan, lengths)
    data, cuts, blocks, start = Bytes(streams["columns"]), Bytes(streams.get("cuts", b"")), [], 0
    while start < rows:
        count, size = (cuts.below(rows - start + 1), cuts.varint()) if cuts.data else (rows, data.left)
        if not count:
            raise Damaged("a row block without rows")
        own = np.array([count]) if lengths is None else _inside(lengths, start, start + count)
        names, rows_of = [name for name, _ in columns], slice(start, start + count)
        known = replace(tolerances, before={n: a[rows_of] for n, a in tolerances.before.items() if a.ndim})
        part = Block(Bytes(data.take(size)), count, CONTEXTS[effort], names, known, there)
        blocks.append(_row_block(part, plan, own, primer))
        start += count
    if not blocks:
        return [np.zeros(0, variable.dtype) for variable in variables]
    joined = {names[n]: np.concatenate([block[n] for block in blocks]) for n in there}
    return [joined[variable.name] for variable in variables]


def _inside(lengths: np.ndarray, start: int, end: int) -> np.ndarray:
    """The events of some rows, cut at the borders."""
    borders = np.concatenate([[0], np.cumsum(lengths)])
    if borders[-1] < end or (lengths < 0).any():
        raise Damaged("events do not have as many rows as their table")
    return np.diff(np.clip(borders, start, end))


def _columns(state: dict[str, np.ndarray], variables: list[Variable]) -> tuple[list[tuple[str, np.dtype]], list[int]]:
    """Names and types of the columns of the plan, and the numbers of those that are there."""
    columns = [(variable.name, variable.dtype) for variable in variables]
    if "columns" in state:
        try:
            stored = json.loads(state["columns"].astype("u1").tobytes())
            columns = [(str(name), np.dtype(str(dtype))) for name, dtype in stored]
        except (ValueError, TypeError, SyntaxError, RecursionError) as error:
            raise Damaged("the names of columns are damaged") from error
    names = {variable.name for variable in variables}
    if len({name for name, _ in columns}) < len(columns) or names - {name for name, _ in columns}:
        raise Damaged("the names of columns are others")
    return columns, [number for number, (name, _) in enumerate(columns) if name in names]


@dataclass
class Primer:
    """Symbols of rows of another file for each column, nothing if there are none; and the lengths of their events."""

    symbols: list[np.ndarray]
    events: np.ndarray | None


def _primer(state: dict[str, np.ndarray], plan: Plan, lengths: np.ndarray | None) -> Primer:
    """The rows of another file that have events where this one has."""
    found, events = _primer_symbols(state, plan), state.get("primer events")
    if not found or (events is None) != (lengths is None):
        return Primer([], None)
    if events is not None and (events.min(initial=0) < 0 or int(events.sum()) != len(found[0])):
        raise Damaged("events of another file are damaged")
    return Primer(found, events)


def _primer_symbols(state: dict[str, np.ndarray], plan: Plan) -> list[np.ndarray]:
    found = [state[f"primer {number}"] for number in range(len(plan.columns)) if f"primer {number}" in state]
    if found and (len(found) != len(plan.columns) or len({values.shape for values in found}) > 1 or found[0].ndim != 1):
        raise Damaged("rows of another file are damaged")
    for values, column in zip(found, plan.columns, strict=False):
        if values.size and not column.low - 1 <= int(values.min()) <= int(values.max()) <= column.high:
            raise Damaged("a symbol of another file is out of its range")
    return found


@dataclass
class Block:
    """The bytes of a row block; its rows; contexts; names of columns; tolerances that follow from others."""

    stream: Bytes
    rows: int
    contexts: int
    names: list[str]
    tolerances: OwnTolerances
    there: list[int]


def _row_block(part: Block, plan: Plan, lengths: np.ndarray, primer: Primer) -> dict[int, np.ndarray]:
    stream, rows = part.stream, part.rows
    checksum, count = int.from_bytes(stream.take(4), "little"), len(plan.columns)
    heads = unpack(stream.sized(), count).tolist()
    if any(not 0 <= head < 8 for head in heads):
        raise Damaged("a column is stored in an unknown way")
    parts = [(head & 3 != CONSTANT, head >= 4) for head in heads]
    sizes = iter(unpack(stream.sized(), sum(map(sum, parts))).tolist())
    stored = [tuple(stream.take(next(sizes)) if there else b"" for there in part) for part in parts]
    before = len(primer.symbols[0]) if primer.symbols and rows <= WORTH * len(primer.symbols[0]) else 0
    if before:
        lengths = np.array([before + rows]) if primer.events is None else np.concatenate([primer.events, lengths])
    known, symbols, found = Known(plan, before + rows, lengths, primer.symbols if before else []), {}, 0
    for number in plan.order:
        if number in part.there and heads[number] & 3 != APART:
            symbols[number] = _symbols(number, heads[number] & 3, *stored[number], known, part.contexts)
            found = zlib.crc32(symbols[number][0].tobytes(), found)
        own = np.array(known.primer_of(number), "<i8")
        known.add(number, np.concatenate([own, symbols[number][0]]) if number in symbols else None)
    if found != checksum:
        raise Damaged("the symbols of a table have another checksum")
    return _restored(part, plan, symbols, [Bytes(data) for data, _ in stored])


def _restored(part: Block, plan: Plan, symbols: dict[int, Part], stored: list[Bytes]) -> dict[int, np.ndarray]:
    """The values of all columns, those that follow from others last."""
    restored: dict[int, np.ndarray] = {}
    for number in [*(j for j in range(len(plan.columns)) if j not in plan.derived), *plan.derived]:
        column = plan.columns[number]
        if number not in part.there:
            continue
        if number in symbols and column.steps is not None:
            there = {part.names[n]: values for n, values in restored.items()}
            each = part.tolerances.each(part.names[number], there)
            restored[number] = _in_steps(column, *symbols[number], each, restored)
        elif number in symbols:
            restored[number] = _values(column, *symbols[number], restored)
        else:
            lattice = Lattice(stored[number], column.lattice.dtype)
            restored[number] = lattice.restore(*lattice.split(unpack(stored[number].rest(), part.rows)))
    return restored


def _symbols(number: int, method: int, data: bytes, escapes: bytes, known: Known, contexts: int) -> Part:
    column, before = known.plan.columns[number], len(known.primer_of(number))
    if method == MIXED:
        values = decode_symbols(data, number, known, contexts)[before:]
    else:
        rows = known.rows - before
        values = unpack(data, rows) if method == PACKED else np.full(rows, column.low, "<i8")
    if values.size and not column.low - 1 <= int(values.min()) <= int(values.max()) <= column.high:
        raise Damaged("a symbol is out of its range")
    return values, unpack(escapes, int((values == column.low - 1).sum())) if escapes else np.zeros(0, "<i8")


def _values(column: Column, symbols: np.ndarray, escapes: np.ndarray, restored: dict[int, np.ndarray]) -> np.ndarray:
    outside, lattice = symbols == column.low - 1, column.lattice
    if int(outside.sum()) != len(escapes):
        raise Damaged("there are not as many escapes as they have places")
    if column.relation is not None:
        return _by_relation(column, symbols, outside, escapes, restored)
    codes = symbols.copy()
    if column.kind == DICTIONARY:
        codes = column.dictionary[np.clip(codes, 0, len(column.dictionary) - 1)]
    codes[outside] = escapes
    return lattice.restore(*lattice.split(np.cumsum(codes) if column.kind == DIFFERENCES else codes))


def _in_steps(
    column: Column, symbols: np.ndarray, escapes: np.ndarray, each: np.ndarray, restored: dict[int, np.ndarray]
) -> np.ndarray:
    """Values counted in steps of their own."""
    steps, lattice, outside = column.steps, column.lattice, symbols == column.low - 1
    if steps is None or each.shape != symbols.shape or int(outside.sum()) != len(escapes):
        raise Damaged("a column counts in steps that follow from nothing")
    centre = None
    if steps.factors:
        centre = np.full(len(symbols), steps.factors[-1])
        for parent, factor, fill in zip(steps.parents, steps.factors, steps.fills, strict=False):
            values = restored[parent].astype("<f8")
            centre = centre + factor * np.where(np.isfinite(values), values, fill)
    special = np.where(symbols < column.low + len(lattice.specials), symbols - column.low + 1, 0)
    codes = np.where(special > 0, 0, symbols)
    values = from_steps(codes, steps.rounded(each), steps.points, lattice.dtype, centre)
    for number, value in enumerate(lattice.specials, 1):
        values[special == number] = value
    values[outside] = lattice.restore(*lattice.split(escapes))
    return values


def _by_relation(
    column: Column, symbols: np.ndarray, outside: np.ndarray, escapes: np.ndarray, restored: dict[int, np.ndarray]
) -> np.ndarray:
    assert column.relation is not None
    (kind, step, name, parents, constants), lattice = column.relation, column.lattice
    total, scale = evaluate(name, [restored[parent] for parent in parents], constants)
    total = np.where(np.abs(total) <= 1e-9 * scale, 0.0, total)
    foreseen = np.zeros(len(symbols), "<i8")
    for number, special in enumerate(lattice.specials, 1):
        hit = np.isnan(total) if np.isnan(special) else (total == special) & ~(np.signbit(special) & (special == 0))
        foreseen[hit] = number
    known = np.isfinite(total) & (foreseen == 0) & (np.abs(total) < 2.0**52 * max(step, 1e-300))
    if kind == LOG:
        known = np.isfinite(total) & (foreseen == 0) & (total != 0)
    guess = np.where(known, total, 1.0)
    stated = np.where(symbols < column.low + len(lattice.specials), symbols - column.low + 1, 0)
    special = np.where((symbols == 0) & (foreseen > 0), foreseen, stated)
    values = _from_residuals(np.where(special > 0, 0, symbols), guess, kind, step, lattice)
    for number, value in enumerate(lattice.specials, 1):
        values[special == number] = value
    values[outside] = lattice.restore(*lattice.split(escapes))
    return values


def _from_residuals(r: np.ndarray, guess: np.ndarray, kind: int, step: float, lattice: Lattice) -> np.ndarray:
    dtype = lattice.dtype
    if kind == BY_CODES:
        codes = _code(guess.astype(dtype), lattice) + r
        return lattice.restore(codes, np.zeros(len(r), "u1"))
    if kind == LOG:
        return (guess * exp(r * step)).astype(dtype)
    if kind == WHOLE:
        ends, whole = np.iinfo(dtype), np.rint(guess) + r * step
        return np.clip(whole, float(ends.min), np.nextafter(float(ends.max), 0)).astype(dtype)
    return (guess + r * step).astype(dtype)


def _code(values: np.ndarray, lattice: Lattice) -> np.ndarray:
    """The code next to each value, 0 for special values: of lattices of kinds 1 (without merging) and 3."""
    if lattice.kind == BITS:
        native = values.astype(values.dtype.newbyteorder("="))
        bits, sign = native.view(f"u{native.itemsize}").astype("<u8"), np.uint64(1 << (8 * native.itemsize - 1))
        size = bits & (sign - np.uint64(1))
        size = (size + np.uint64((1 << lattice.merge) >> 1)) >> np.uint64(lattice.merge)
        codes = np.where(bits >= sign, ~size.astype("<i8"), size.astype("<i8"))
    else:
        points = np.rint(values.astype("<f8") * lattice.divisor / lattice.step)
        codes = np.where(np.abs(points) < 2.0**62, points, 0.0).astype("<i8")
    for special in lattice.specials:
        same = values == np.asarray(special).astype(values.dtype)
        same &= np.signbit(values) == np.signbit(special) if special == 0 else True
        codes[np.isnan(values) if np.isnan(special) else same] = 0
    return codes
