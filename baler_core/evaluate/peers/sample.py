"""Take a sample of an input with the bounds of its variables, as baler and as other compressors are told them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from baler_core.config import Config
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bound_syntax import NO_LIMITS
from baler_core.data.bounds import BoundRules, Tolerance, usable
from baler_core.data.error_bound import ErrorBound
from baler_core.data.scales import with_scales
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Schema, native_bytes
from baler_core.errors import ConfigError
from baler_core.evaluate.peers.measure import Given
from baler_core.evaluate.peers.peer import told
from baler_core.format.header import Header
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import Input
from baler_core.pipeline.sampling import sampled
from baler_core.pipeline.targets import own_bounds

_ALL = 1 << 40


@dataclass(frozen=True)
class BoundedSample:
    """A piece of an input in memory, and what its values may lose.

    Attributes
    ----------
    config
        The configuration with bounds that do not refer to ranges of the whole input.
    native, whole
        Bytes of the values of the sample, and of the input.
    """

    given: Input
    config: Config
    native: int
    whole: int

    @property
    def schema(self) -> Schema:
        """Return the schema of the sample."""
        return self.given.source.schema

    def blocks(self) -> Iterator[Block]:
        """Yield the values, anew at every call."""
        return self.given.source.blocks(_ALL)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the stored values of every variable."""
        parts: dict[str, list[np.ndarray]] = {}
        for block in self.blocks():
            for name in map(str, block.variables):
                parts.setdefault(name, []).append(values_of(block, name))
        return {name: found[0] if len(found) == 1 else np.concatenate(found) for name, found in parts.items()}

    def like(self, restored: Mapping[str, np.ndarray]) -> Iterator[Block]:
        """Yield restored values in the blocks of the sample."""
        rows: dict[str, int] = {}
        for block in self.blocks():
            found = {}
            for name in map(str, block.variables):
                start, shape = rows.get(name, 0), block[name].shape
                length = shape[0] if shape else 0
                found[name] = block[name].dims, restored[name][start : start + length] if shape else restored[name]
                rows[name] = start + length
            yield make_block(found)

    def digest(self) -> str:
        """Return the SHA-256 of the values and of the configuration's bounds, in hexadecimal digits."""
        digest = hashlib.sha256()
        for name, values in self.arrays().items():
            digest.update(f"{name} {values.dtype} {values.shape} ".encode())
            digest.update(native_bytes(values))
        digest.update(repr((self.config.bounds.rules, self.config.model, self.config.derived)).encode())
        return digest.hexdigest()


def take_sample(given: Input, config: Config, nbytes: int) -> BoundedSample:
    """Take about so many bytes of an open input.

    Raises
    ------
    ConfigError
        If a target chooses the bounds, which are not known before the whole input is compressed.
    """
    if config.target is not None:
        raise ConfigError(
            "'target' chooses bounds for the whole input, and other compressors need numbers: compress first, and state "
            "the bounds that 'baler info' shows in place of the target"
        )
    bounds = {name: bound for name, (_, bound) in own_bounds(given, config).items()}
    schema = given.source.schema
    found = sampled(given, frozenset(schema.names), nbytes)
    native, whole = (sum(map(s.nbytes, s.variables)) for s in (found.source.schema, schema))
    rules = BoundRules(tuple((name, bound) for name, bound in bounds.items() if bound.kind != "lossless"))
    return BoundedSample(found, replace(config, bounds=rules), native, whole)


def sample_beside(
    given: Input, config: Config, header: Header, nbytes: int
) -> tuple[BoundedSample, dict[str, ErrorBound]]:
    """Take about so many bytes of an open input that is compressed already, and the bounds that its file states.

    Bounds that refer to ranges of the whole input become the absolute ones that they came to.
    """
    schema, found = given.source.schema, {}
    for v, bound, tolerance in zip(header.schema.variables, header.bounds, header.tolerances, strict=True):
        if bound.needs_range and tolerance.lossy and tolerance.value > 0:
            bound = replace(bound, kind="abs", value=tolerance.value * abs(v.scale), most=None)
        found[v.name] = bound if tolerance.lossy else ErrorBound("lossless")
    piece = sampled(given, frozenset(schema.names) & found.keys(), nbytes)
    native, whole = (sum(map(s.nbytes, s.variables)) for s in (piece.source.schema, schema))
    return BoundedSample(piece, config, native, whole), found


def errors_alone(bound: ErrorBound) -> ErrorBound:
    """Return a bound without limits, signs and exact values, which others do not know."""
    return replace(bound, limits=NO_LIMITS, sign="free", exact_at=(), threshold=())


def as_told(sample: BoundedSample, bounds: Mapping[str, ErrorBound]) -> dict[str, Given]:
    """Return the values of a sample with what other compressors are told of their bounds."""
    schema, arrays = sample.schema, sample.arrays()
    variables = [v for v in schema.variables if v.name in arrays]
    stated = [bounds[v.name] for v in variables]
    tolerances = [make_tolerance(bound, v) for v, bound in zip(variables, stated, strict=True)]
    if any(tolerance.kind == "each" for tolerance in tolerances):
        tolerances = list(with_scales(replace(schema, variables=tuple(variables)), stated, tolerances))
    found = {}
    for v, tolerance in zip(variables, tolerances, strict=True):
        values = arrays[v.name]
        if values.dtype.kind in "iuf":
            found[v.name] = Given(values, *told(tolerance, _each(tolerance, values, arrays), values))
        else:
            found[v.name] = Given(values, *told(Tolerance("exact"), None, np.zeros(values.shape)))
    return found


def _each(tolerance: Tolerance, values: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return what is allowed to each value, where each has a bound of its own."""
    if tolerance.noise is not None:
        return tolerance.noise.levels(values, usable(values, tolerance.fill))
    if tolerance.scale is None:
        return None
    return tolerance.scale.stated(arrays).reshape(values.shape)
