"""The fuzzing target `models`: streams and states that models made, damaged, and decoded with the right layout.

Checksums are out of force on both sides, so that what lies behind them is reached, and every second subject is packed
without compressors, so that damage reaches what these would refuse. Allowed are a FormatError, and arrays of the right
shape and type.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case

from baler_core import FormatError, Layout, Model, Tolerance, Variable, make_block
from baler_core.builtin.models import scalar
from baler_core.data.part import Part
from baler_core.entropy import integers as entropy
from baler_core.entropy.bytes import STORED, squeeze
from baler_core.entropy.integers import BYTES, CONSTANT, EMPTY, narrow, pack_fast, pack_integers
from baler_core.format.arrays import decode_state, encode_state
from baler_core.pipeline.guarantee import restored_arrays
from baler_core.plugin.interfaces import Hints, Streams, Training
from baler_core.plugin.registry import load_plugins
from baler_core.testing.damage import damaged

_DIMS = ("t", "z", "y", "x", "w")
_MEMORY = 1 << 26


@dataclass(frozen=True)
class Subject:
    """What a model made of a block, and what its decoder is told of it."""

    name: str
    model: Model
    layout: Layout
    tolerances: Mapping[str, Tolerance]
    streams: Streams
    state: bytes


def decoding(only: str, seed: int) -> Case:
    """Cases that decode what has been damaged."""
    _ignore_checksums()
    subjects = [subject for subject in _subjects(seed, only) if only in subject.name]
    for subject in subjects:
        _decode(subject, subject.streams, subject.state)
    kinds = {s.model.name for s in subjects}
    alike = {kind: [d for s in subjects if s.model.name == kind for d in s.streams.values()] for kind in kinds}

    def case(random: np.random.Generator) -> str:
        subject = subjects[int(random.integers(len(subjects)))]
        streams, state = dict(subject.streams), subject.state
        what = random.random()
        if what < 0.75 or not state:
            name = list(streams)[int(random.integers(len(streams)))]
            streams[name] = damaged(streams[name], random, alike[subject.model.name])
        if state and what > 0.6:
            state = damaged(state, random)
        try:
            _decode(subject, streams, state, whole=random.random() < 0.8)
        except FormatError:
            return "refused"
        return "decoded"

    return case


def _ignore_checksums() -> None:
    """Have checksums of all kinds be the same for all data, in what is written and in what is read."""
    zlib.crc32 = lambda data, value=0, /: 0  # type: ignore[assignment]
    entropy._digest = lambda values: bytes(entropy._DIGEST_BYTES)
    scalar._joined = lambda digests: bytes(scalar._DIGEST_BYTES) if digests else b""


def _decode(subject: Subject, streams: Streams, state: bytes, *, whole: bool = True) -> None:
    """Decode as from a file, all or a part; AssertionError if that is of another shape or type."""
    model, layout = type(subject.model)(subject.model.options), subject.layout
    model.load_state(decode_state(state, memory_limit=_MEMORY))
    if not whole:
        region = {dim: slice(length // 3, length // 2) for dim, length in layout.sizes.items()}
        last = layout.variables[-1]
        part = Part(frozenset([last.name]), region)
        found = model.decode_part(dict(streams), layout, subject.tolerances, part)
        assert found[last.name].shape == part.shape(last, layout)
        return
    arrays = restored_arrays(model, model.decode(dict(streams), layout, subject.tolerances), layout)
    for variable in layout.variables:
        assert arrays[variable.name].shape == layout.shape(variable)
        assert arrays[variable.name].dtype == variable.numpy_dtype


def _subjects(seed: int, only: str) -> Iterator[Subject]:
    random = np.random.default_rng(seed)
    models = load_plugins()
    for effort in ("fast", "balanced", "max"):
        for number, (arrays, tolerances) in enumerate(_fields(random)):
            for name in ("transform", "predictive", "scalar"):
                kind = models.model(name)
                title = f"grid {name} {effort} {number}"
                if only in title:
                    yield from _made(title, kind(kind.Options(effort=effort)), arrays, tolerances)
        for number, (arrays, tolerances, lengths) in enumerate(_tables(random)):
            for name in ("table", "scalar"):
                kind = models.model(name)
                title = f"table {name} {effort} {number}"
                if only in title:
                    yield from _made(title, kind(kind.Options(effort=effort)), arrays, tolerances, lengths)
    yield from _others(random, models, only)


def _others(random: np.random.Generator, models: Any, only: str) -> Iterator[Subject]:
    """Networks, models that refer to another file, and what is kept byte for byte."""
    table = models.model("table")
    if only in "table network":
        arrays, tolerances = _related(random, 2400)
        yield from _made(
            "table network", table(table.Options(effort="max", network="on")), arrays, tolerances, seconds=2
        )
    if only in "table primer":
        arrays, tolerances = _related(random, 700)
        yield from _made("table primer", table(table.Options(effort="max")), arrays, tolerances, reference=True)
    if only in "grid transform modes":
        kind, waves = models.model("transform"), _waves(12, 20, 24)
        yield from _made(
            "grid transform modes",
            kind(kind.Options(effort="fast")),
            {"u": waves},
            _bound("abs", 0.01, "u"),
            reference=True,
        )
    for name, arrays in _decoded_images() if "decoded" in only else ():
        kind = models.model("predictive")
        if only in f"grid decoded {name}":
            yield from _made(
                f"grid decoded {name}", kind(kind.Options(effort="max")), arrays, _bound("exact", 0, *arrays)
            )
    if "local" in only:
        y, x = np.meshgrid(np.arange(64), np.arange(96), indexing="ij")
        turning = np.sin(0.3 * x + 40 * np.sin(y / 40)) * np.cos((x / 30) ** 2 + y / 5)
        kind = models.model("predictive")
        yield from _made("grid local", kind(kind.Options(effort="max")), {"u": turning}, _bound("abs", 1e-3, "u"))
    if only in "other exact":
        words = np.array(["", "a", "long text " * 3] * 6, object)
        found = {"text": words, "complex": random.normal(size=18) + 1j, "raw": np.array([b"ab", b"c"] * 9, "S4")}
        yield from _made(
            "other exact", models.model("exact")(), found, dict.fromkeys(found, Tolerance("exact")), kind="other"
        )
    if only in "table flow":
        arrays, tolerances = _related(random, 700)
        kind = models.model("normalizing_flow")
        options = kind.Options(effort="balanced", hidden=(8, 8), keep=True)
        yield from _made("table flow", kind(options), arrays, tolerances)
    networks = (("dense_autoencoder", (64,)), ("variational_autoencoder", (64,)), ("conv_autoencoder", (6, 16, 16)))
    for name, shape in networks:
        if only and only in f"network {name}":
            kind, arrays = models.model(name), {v: random.normal(size=shape) for v in ("u", "v")}
            yield from _made(f"network {name}", kind(), arrays, _bound("abs", 0.01, *arrays))


def _made(
    title: str, model: Model, arrays: dict[str, np.ndarray], tolerances: Mapping[str, Tolerance],
    lengths: np.ndarray | None = None, *, seconds: float | None = None, reference: bool = False, kind: str = "",
) -> Iterator[Subject]:  # fmt: skip
    """What a model makes of arrays, compressed as usual and not at all."""
    first = next(iter(arrays.values()))
    dims = _DIMS[: first.ndim]
    types = {name: "str" if a.dtype == object else a.dtype.str for name, a in arrays.items()}
    variables = tuple(Variable(name, dtype, dims) for name, dtype in types.items())
    sizes = dict(zip(dims, first.shape, strict=True))
    kind = kind or ("table" if first.ndim == 1 else "grid")
    layout = Layout(kind, variables, sizes, "n" if lengths is not None else "", lengths)  # type: ignore[arg-type]
    counts = {} if lengths is None else {"n": (("event",), lengths)}
    block = make_block({**{name: (dims, a) for name, a in arrays.items()}, **counts})
    for plainly in (False, True):
        made = type(model)(model.options)
        with _without_compressors() if plainly else _as_usual():
            hints = Hints(for_other_files=reference, by_reference=reference)
            training = Training(epochs=2, seconds=seconds)
            made.fit([block], layout=layout, tolerances=tolerances, training=training, hints=hints)
            streams = made.encode(block, layout, tolerances, hints=hints)
            state = encode_state({**made.state(), **(made.encoder_state() if reference else {})})
        yield Subject(title + " plain" * plainly, made, layout, tolerances, streams, state)


@contextmanager
def _as_usual() -> Iterator[None]:
    yield


@contextmanager
def _without_compressors() -> Iterator[None]:
    """Let everything in the core that squeezes bytes or packs integers store them as they are."""
    plain = {squeeze: _stored, pack_integers: _laid_out, pack_fast: _laid_out}
    replaced = [
        (module, name, plain[value])
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("baler_core")
        for name, value in list(vars(module).items())
        if callable(value) and value in plain and module.__name__ != "baler_core"
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _stored(data: bytes, **_: Any) -> bytes:
    return bytes([STORED]) + data


def _laid_out(values: np.ndarray, **_: Any) -> bytes:
    flat = np.ascontiguousarray(values.ravel().astype(np.int64))
    if not flat.size:
        return bytes([EMPTY])
    head, body = narrow(flat)
    return bytes([CONSTANT]) + head[1:] if not body else bytes([BYTES]) + head + _stored(body)


# ---- what models are shown


def _bound(kind: Any, value: float, *names: str) -> dict[str, Tolerance]:
    return dict.fromkeys(names, Tolerance(kind, value))


def _waves(*shape: int) -> np.ndarray:
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.sin(sum(axis / (3 + 2 * number) for number, axis in enumerate(axes))) + 2


def _fields(random: np.random.Generator) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Tolerance]]]:
    smooth = _waves(6, 18, 21)
    yield (
        {"u": smooth, "v": smooth[:, ::-1] * 3 + random.normal(size=smooth.shape) * 0.01},
        _bound("abs", 0.003, "u", "v"),
    )
    holes = np.where(random.random((9, 20)) < 0.2, np.nan, _waves(9, 20)).astype("f4")
    yield {"u": holes}, _bound("rel", 1e-3, "u")
    yield {"n": (smooth * 1000).astype("<i2"), "m": (smooth * 50).astype("<i2")}, _bound("exact", 0, "n", "m")
    yield {"n": random.integers(-(2**40), 2**40, (5, 7, 13))}, _bound("exact", 0, "n")
    yield {"n": np.cumsum(random.integers(0, 1 << 20, (4, 3, 6, 9)), axis=-1)}, _bound("abs", 4.0, "n")
    yield {"d": np.round(_waves(3, 2, 3, 5, 6) * 20) / 10}, _bound("abs", 0.06, "d")
    yield {"g": (_waves(4, 5) * 2**18).astype(">i4")}, _bound("abs", 1.0, "g")


def _decoded_images() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Images that were decoded from the numbers of other formats: those of the golden files."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
    from write_branches import decoded, tiled_floats

    for name, values in {**decoded(), **tiled_floats()}.items():
        yield name, {"image": values}


def _tables(
    random: np.random.Generator,
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Tolerance], np.ndarray | None]]:
    yield (*_related(random, 300), None)
    lengths = random.integers(0, 7, 60)
    rows = int(lengths.sum())
    place = np.arange(rows) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    mother = np.where(random.random(rows) < 0.8, (place * random.random(rows)).astype(int), -1).astype("<i4")
    arrays = {"mother": mother, "pt": np.exp(random.normal(size=rows)).astype("f4"), "id": random.integers(0, 9, rows)}
    tolerances = {**_bound("exact", 0, "mother", "id"), **_bound("rel", 1e-3, "pt")}
    yield arrays, tolerances, lengths
    yield {"one": np.array([1.5]), "two": np.array([3], "u1")}, _bound("exact", 0, "one", "two"), None


def _related(random: np.random.Generator, rows: int) -> tuple[dict[str, np.ndarray], dict[str, Tolerance]]:
    x, n = random.normal(size=rows), random.integers(0, 12, rows)
    arrays = {
        "x": x,
        "y": (x**2 + n + random.normal(size=rows) * 0.05).astype("f4"),
        "n": n.astype("<i4"),
        "sum": n + random.integers(0, 3, rows),
        "big": random.integers(-(2**62), 2**62, rows),
        "clock": np.cumsum(random.integers(0, 50, rows)),
        "flag": random.random(rows) < 0.1,
        "rare": np.where(random.random(rows) < 0.9, 0.0, 10 ** random.normal(size=rows) * 1e3),
    }
    tolerances = {**_bound("exact", 0, *arrays), **_bound("abs", 0.01, "x"), **_bound("rel", 1e-3, "y", "rare")}
    return arrays, tolerances
