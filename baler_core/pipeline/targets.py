"""Choose bounds by what the file is to reach: a factor found by coding a sample, then verified on the whole."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path

from baler_core.config import ComponentSpec, Config
from baler_core.config.checker import AUTO
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.targets import Target, multiplied, with_psnr
from baler_core.errors import DataError
from baler_core.machine.progress import shown
from baler_core.machine.records import dataclass
from baler_core.pipeline.compressed import Compressed
from baler_core.pipeline.input import Blocks, Input, bounds_of, ranges_of, roles_in
from baler_core.pipeline.sampling import sampled
from baler_core.plugin.interfaces import AutoOptions

logger = logging.getLogger(__name__)
SAMPLE_BYTES = 2_000_000
# Between these factors a target is looked for; a file that needs less loses nothing.
_LEAST, _LARGE, _MOST = 1e-9, 1e3, 1e9
# How far apart factors are tried to begin with, how near the sample is to come, and how many pieces it takes at most.
_APART, _NEAR, _MOST_SAMPLES = 8.0, 0.02, 10
# A file is near enough from this share of its target on; what is aimed at; and how often the whole is coded for it.
_ENOUGH, _AIM, _MOST_TRIES = 0.95, 0.985, 5

Write = Callable[[Config, Input, Path], Compressed]
"""Compresses an input as a configuration says, whose target is told already."""


def quickly(config: Config) -> Config:
    """Return the configuration for samples: where the model is chosen, with little effort."""
    if config.model.name != AUTO:
        return config
    return replace(config, model=ComponentSpec(AUTO, AutoOptions(effort="fast")))


def own_bounds(given: Input, config: Config) -> dict[str, tuple[ErrorBound, ErrorBound]]:
    """Return the bound of every variable as stated, and with its range known, as a sample needs it: as an absolute one.

    Reads the input once where there are such bounds.
    """
    blocks, named = _stated(given, config)
    widths = _widths(blocks, [name for name, bound in named.items() if bound.needs_range])
    return {name: (bound, _absolute(bound, widths.get(name, 0.0))) for name, bound in named.items()}


def _stated(given: Input, config: Config) -> tuple[Blocks, dict[str, ErrorBound]]:
    """Return the blocks of an input, and the bound of every variable as stated."""
    blocks, schema = Blocks(given.source, config.block_bytes), given.source.schema
    bounds = bounds_of(schema, config.bounds, roles_in(schema, blocks.__iter__, config.bounds))
    return blocks, dict(zip(schema.names, bounds, strict=True))


def _widths(blocks: Blocks, names: list[str]) -> dict[str, float]:
    ranges = ranges_of(blocks, names)
    return {name: abs(blocks.schema[name].scale) * found.width for name, found in ranges.items()}


def _absolute(bound: ErrorBound, width: float) -> ErrorBound:
    """Return a bound that does not refer to a range; lossless where the variable is constant."""
    if bound.kind == "range":
        return replace(bound, kind="abs", value=bound.value * width) if width > 0 else ErrorBound("lossless")
    if bound.most is not None and bound.most[0] == "range":
        return replace(bound, most=("abs", bound.most[1] * width)) if width > 0 else ErrorBound("lossless")
    return bound


def reach(config: Config, given: Input, output: Path, write: Write) -> Compressed:
    """Compress an input with the bounds that its target needs.

    Parameters
    ----------
    output
        Written anew by every try; the last one stays.

    Raises
    ------
    DataError
        If the target cannot be reached: the message says what can.
    """
    target = config.target
    assert target is not None
    if target.kind == "psnr":
        return write(replace(config, bounds=_for_psnr(config, given, target)), given, output)
    schema = given.source.schema
    native = sum(map(schema.nbytes, schema.variables))
    sample = sampled(given, frozenset(schema.names), SAMPLE_BYTES)
    bounds = [(name, absolute) for name, (_, absolute) in own_bounds(given, config).items()]
    curve = _Curve(quickly(config), sample, bounds, write)
    share = native / max(1, sum(map(curve.given.source.schema.nbytes, curve.given.source.schema.variables)))
    values = sum(math.prod(schema.sizes[dim] for dim in v.dims) for v in schema.variables)
    with shown(f"reach {target}", "try") as step:
        curve.step = step
        return _tried(config, given, output, write, _Aim(target, curve, share, native, values))


@dataclass
class _Aim:
    """The search for the factor of the whole file."""

    target: Target
    curve: _Curve
    share: float
    native: int
    values: int

    def wanted(self, done: Compressed | None) -> float:
        """Return how large the file may be."""
        return self.target.largest_file(done.input_bytes if done is not None else self.native, self.values)


def _tried(config: Config, given: Input, output: Path, write: Write, search: _Aim) -> Compressed:
    share, wanted = search.share, search.wanted(None)
    held: dict[float, float] = {}  # what share of the allowed size the factors take that reach the target
    done: Compressed | None = None
    factor = -1.0
    for _ in range(_MOST_TRIES):
        better = search.curve.factor_for(_AIM * wanted / share)
        if better is None:
            break
        if done is not None and abs(better - factor) <= 0.002 * factor:
            break
        factor = better
        done = write(_with_factor(config, factor), given, output)
        wanted = search.wanted(done)
        full = done.file_bytes / wanted
        search.curve.step(f"factor {factor:.3g}, {done.file_bytes:,} bytes")
        logger.info("factor %g: %d bytes of %.0f", factor, done.file_bytes, wanted)
        if full <= 1:
            held[factor] = full
        if _ENOUGH <= full <= 1 or (full <= 1 and not factor):
            break
        share = done.file_bytes / search.curve.size(factor)
    if not held or done is None:
        raise DataError(_unreached(search, done))
    best = max(held, key=lambda one: held[one])
    return done if best == factor else write(_with_factor(config, best), given, output)


def _with_factor(config: Config, factor: float) -> Config:
    assert config.target is not None
    return replace(config, bounds=multiplied(config.bounds, factor), target=replace(config.target, factor=factor))


def _unreached(search: _Aim, done: Compressed | None) -> str:
    least = search.share * min(search.curve.size(_MOST), search.curve.size(_LARGE))
    if done is not None:
        least = done.file_bytes
    return (
        f"the target {search.target} cannot be reached: it allows {search.wanted(done):,.0f} bytes, and even with far "
        f"larger bounds the file takes about {least:,.0f}, most of them for what is exact. Allow a loss to more "
        "variables ('baler check CONFIG --data' lists those that stay exact), or ask for less"
    )


@dataclass
class _Curve:
    """Bytes of a sample by the factor of its bounds."""

    config: Config
    given: Input
    bounds: list[tuple[str, ErrorBound]]
    write: Write
    step: Callable[[str], None] = lambda text: None
    known: dict[float, int] = field(default_factory=dict)

    def size(self, factor: float) -> int:
        """Return the bytes of the sample under bounds multiplied by a factor."""
        if factor not in self.known:
            rules = multiplied(BoundRules(tuple(self.bounds)), factor)
            with tempfile.TemporaryDirectory() as folder:
                done = self.write(replace(self.config, bounds=rules, target=None), self.given, Path(folder) / "sample")
            self.known[factor] = done.file_bytes
            self.step(f"factor {factor:.3g}")
        return self.known[factor]

    def factor_for(self, size: float) -> float | None:
        """Return the factor with which the sample takes about so many bytes; 0 for no loss, None if it always takes more."""
        # Beyond some factor the signs that are kept may take more than the values.
        most = next((factor for factor in (_MOST, _LARGE) if self.size(factor) <= size), None)
        if most is None:
            return None
        if self.size(0.0) <= size:
            return 0.0
        low = high = 1.0
        while self.size(low) <= size and low > _LEAST:
            low, high = low / _APART, low
        while self.size(high) > size and high < most:
            low, high = high, min(high * _APART, most)
        for _ in range(_MOST_SAMPLES):
            if abs(self.size(high) - size) <= _NEAR * size or high / low < 1.02:
                break
            middle = self._between(low, high, size)
            if self.size(middle) > size:
                low = middle
            else:
                high = middle
        return high

    def _between(self, low: float, high: float, size: float) -> float:
        """Return a factor between two: where a straight line through their sizes meets the wanted one, or nearly."""
        one, other = self.size(low), self.size(high)
        share = min(max((one - size) / max(1, one - other), 0.1), 0.9)
        return float(f"{math.exp(math.log(low) + share * (math.log(high) - math.log(low))):.6g}")


def _for_psnr(config: Config, given: Input, target: Target) -> BoundRules:
    """Return the bound of every variable: those that may lose something get a root mean square of errors."""
    blocks, named = _stated(given, config)
    widths = _widths(blocks, [name for name, bound in named.items() if bound.kind != "lossless"])
    return BoundRules(
        tuple((name, with_psnr(bound, widths.get(name, 0.0), target.value)) for name, bound in named.items())
    )


def told(done: Compressed, target: Target, values: int, limits: Mapping[str, float]) -> str:
    """Say what was reached, in one sentence.

    Parameters
    ----------
    limits
        What the errors on average were limited to, under `psnr`.
    """
    if target.kind == "psnr":
        found = {n: target.value + 20 * math.log10(limits[n] / mean) for n, mean in done.means.items() if mean > 0}
        if not found:
            return f"target {target}: reached without any loss"
        least = min(found, key=lambda name: found[name])
        error = f"RMS error {done.means[least]:.4g}"
        return f"target {target}: reached {found[least]:.4g} dB or more, the least in {least!r} ({error})"
    reached = {
        "ratio": f"ratio {done.ratio:.4g}",
        "bits": f"{8 * done.file_bytes / max(1, values):.4g} bits per value",
        "size": f"{done.file_bytes:,} bytes",
    }[target.kind]
    if not target.factor:
        return f"target {target}: reached {reached} without any loss"
    return f"target {target}: reached {reached} with all bounds multiplied by {target.factor:.4g}"
