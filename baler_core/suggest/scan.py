"""Measure on a sample what errors cost: bytes for a ladder of bounds, of each lossy variable and of all together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from baler_core.config import Config
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import BoundRules, usable
from baler_core.data.derived import DerivedRule
from baler_core.data.error_bound import ErrorBound
from baler_core.data.patterns import matching_names
from baler_core.data.targets import MULTIPLIED, multiplied
from baler_core.data.variables import Schema
from baler_core.errors import ConfigError, DataError, did_you_mean
from baler_core.machine.progress import shown
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import Input
from baler_core.pipeline.sampling import sampled
from baler_core.pipeline.targets import own_bounds, quickly
from baler_core.pipeline.written_sample import written
from baler_core.plugin.registry import Registry
from baler_core.suggest.scan_derived import DerivedScan, Quantities

TOGETHER_BYTES, ALONE_BYTES = 4_000_000, 500_000
# Factors on the stated bounds.
LADDER = tuple(10.0 ** (half / 2) for half in range(-4, 5))
# Of the time, what all variables together may take.
_SHARE_TOGETHER = 0.4
# A curve bends by less than this part of its height where there is no knee to speak of.
_LEAST_BEND = 0.05


@dataclass(frozen=True)
class Rung:
    """What one bound makes of a sample.

    Attributes
    ----------
    factor
        On the stated bound.
    bound
        What that comes to.
    bits
        Per value of the variable.
    largest, rms
        Errors found, in physical units.
    psnr
        20 log10(range / RMS error) in decibel; infinite where nothing is lost.
    """

    factor: float
    bound: str
    bits: float
    largest: float
    rms: float
    psnr: float


@dataclass(frozen=True)
class VariableScan:
    """The curve of one variable, from small to large errors.

    Attributes
    ----------
    stated
        Its bound in the configuration.
    knee
        The number of the rung where the curve bends most; None if it does not bend.
    """

    name: str
    units: str
    stated: str
    native_bits: float
    rungs: tuple[Rung, ...]
    knee: int | None


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Attributes
    ----------
    sample_bytes, native_bytes
        Of the values of the sample that was coded together, and of the whole input.
    together
        The ratio that the file would about have with all bounds multiplied by a factor.
    left_out
        Lossy variables that were not reached in the time there was.
    derived
        How far derived quantities move with all bounds multiplied by a factor, if nothing keeps them.
    """

    source: str
    sample_bytes: int
    native_bytes: int
    variables: tuple[VariableScan, ...]
    together: Mapping[float, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    derived: tuple[DerivedScan, ...] = ()


def scan(
    config: Config, registry: Registry, given: Input, *, patterns: Sequence[str] = ("*",), seconds: float = 90
) -> Scan:
    """Code samples of an open input with the stated bounds multiplied by each factor of the ladder.

    Parameters
    ----------
    patterns
        Of the variables to look at one by one.
    seconds
        About how long this may take.

    Raises
    ------
    ConfigError
        If no variable may lose anything by a bound that can be multiplied, or no pattern matches one.
    """
    started = time.monotonic()
    both = own_bounds(given, config)
    bounds, stated = (
        {name: known for name, (_, known) in both.items()},
        {name: str(one) for name, (one, _) in both.items()},
    )
    coder = _Coder(quickly(replace(config, target=None, derived=())), registry, given, bounds, stated)
    names = coder.lossy(patterns)
    schema = given.source.schema
    with shown(f"scan {given.name}", "curve", len(LADDER) * (len(names) + 1)) as step:
        limit = started + _SHARE_TOGETHER * seconds
        together = coder.together(config.derived, step, lambda: time.monotonic() < limit)
        found = []
        for number, name in enumerate(names):
            if number and time.monotonic() > started + seconds:
                break
            found.append(coder.alone(name, step))
    native = sum(map(schema.nbytes, schema.variables))
    left_out = tuple(names[len(found) :])
    return replace(together, native_bytes=native, variables=tuple(found), left_out=left_out)


@dataclass(frozen=True)
class _Coder:
    """Codes samples of one input."""

    config: Config
    registry: Registry
    given: Input
    bounds: Mapping[str, ErrorBound]
    stated: Mapping[str, str]

    def lossy(self, patterns: Sequence[str]) -> list[str]:
        """Return the variables to look at one by one."""
        names = [name for name, bound in self.bounds.items() if bound.kind in MULTIPLIED]
        if not names:
            raise ConfigError(
                f"{self.given.name}: no variable has a bound that can be multiplied ({', '.join(MULTIPLIED)}), so there "
                "is nothing to scan: state one, such as '\"*\": {range: 1.0e-3}'"
            )
        chosen = matching_names(patterns, names)
        if not chosen:
            raise ConfigError(f"{patterns[0]!r} matches no lossy variable. {did_you_mean(patterns[0], names)}")
        return list(chosen)

    def together(self, rules: Sequence[DerivedRule], step: Callable[[str], None], in_time: Callable[[], bool]) -> Scan:
        """Return a scan of all variables together, with what becomes of derived quantities; from stated bounds outwards."""
        sample = sampled(self.given, frozenset(self.bounds), TOGETHER_BYTES)
        native = sum(map(sample.source.schema.nbytes, sample.source.schema.variables))
        quantities = Quantities.of(rules, sample, self.registry)
        found: dict[float, float] = {}
        moved = {}
        for factor in sorted(LADDER, key=lambda one: abs(math.log(one))):
            if found and not in_time():
                break
            size, blocks = self._coded(sample, tuple(self.bounds.items()), factor)
            found[factor] = native / size
            moved[factor] = quantities.rungs(factor, blocks)
            step(f"all x {factor:.3g}")
        derived = quantities.scans([moved[factor] for factor in sorted(moved)])
        return Scan(self.given.name, native, 0, (), dict(sorted(found.items())), derived=derived)

    def alone(self, name: str, step: Callable[[str], None]) -> VariableScan:
        """Return the curve of one variable."""
        bound = self.bounds[name]
        parents = frozenset(_parents(bound, self.given.source.schema)) - {name}
        sample = sampled(self.given, parents | {name}, ALONE_BYTES)
        v = sample.source.schema[name]
        # What the errors take that a formula needs is not to be counted.
        beside = self._coded(sampled(self.given, parents, ALONE_BYTES), (), 1.0)[0] if parents else 0
        rungs = []
        for factor in LADDER:
            size, blocks = self._coded(sample, ((name, bound),), factor)
            size = max(0, size - beside)
            restored = np.concatenate([values_of(block, name).ravel() for block in blocks if name in block.variables])
            rungs.append(
                _rung(
                    sample, name, multiplied(BoundRules(((name, bound),)), factor).rules[0][1], factor, size, restored
                )
            )
            step(f"{name} x {factor:.3g}")
        return VariableScan(
            name, v.units, self.stated[name], 8.0 * v.numpy_dtype.itemsize, tuple(rungs), knee_of(rungs)
        )

    def _coded(self, sample: Input, bounds: Sequence[tuple[str, ErrorBound]], factor: float) -> tuple[int, list[Block]]:
        """Return bytes of blocks and states, and the restored blocks."""
        rules = multiplied(BoundRules(tuple(bounds)), factor)
        found = written(replace(self.config, bounds=rules), self.registry, sample)
        return found.coded_bytes, found.blocks


def _parents(bound: ErrorBound, schema: Schema) -> list[str]:
    """Return the variables that a formula may mean."""
    return [name for name in schema.names if bound.formula and name.rpartition("/")[2] in bound.formula]


def _rung(sample: Input, name: str, bound: ErrorBound, factor: float, size: int, restored: np.ndarray) -> Rung:
    v = sample.source.schema[name]
    original = np.concatenate(
        [values_of(block, name).ravel() for block in sample.source.blocks(1 << 40) if name in block.variables]
    )
    if original.shape != restored.shape:
        raise DataError(f"a sample of {name!r} was restored with {restored.size} of {original.size} values")
    known = usable(original, (*v.fill, *v.flags), v.limits)
    x, y = (values[known].astype(np.float64) * v.scale for values in (original, restored))
    with np.errstate(all="ignore"):
        error = np.abs(y - x)
        largest, rms = float(error.max(initial=0.0)), float(np.sqrt(np.square(error).mean())) if error.size else 0.0
        width = float(np.ptp(x)) if x.size else 0.0
    psnr = 20 * math.log10(width / rms) if rms > 0 and width > 0 else math.inf
    return Rung(factor, str(bound), 8 * size / max(1, original.size), largest, rms, psnr)


def knee_of(rungs: Sequence[Rung]) -> int | None:
    """Return the number of the rung that lies farthest below the line between the first and the last.

    Bits against the logarithm of the factor; after Satopää et al. 2011 ("Finding a Kneedle in a Haystack"). Where an error
    is below the noise, each halving costs one bit more; above it, little is saved by more. None for a line, or nothing.
    """
    bits = np.array([rung.bits for rung in rungs])
    height = bits[0] - bits[-1]
    if len(rungs) < 3 or height <= 0:
        return None
    where = np.log([rung.factor for rung in rungs])
    line = bits[0] - height * (where - where[0]) / (where[-1] - where[0])
    depth = (line - bits) / height
    return int(depth.argmax()) if depth.max() >= _LEAST_BEND else None
