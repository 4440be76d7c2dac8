"""Predict from samples how small a file will become, how long it takes, by which models, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from baler_core.config import ComponentSpec, Config
from baler_core.config.checker import AUTO
from baler_core.data.block import values_of
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema
from baler_core.machine.progress import shown
from baler_core.pipeline.input import Input
from baler_core.pipeline.noise_bounds import shown_values
from baler_core.pipeline.sampling import sampled
from baler_core.pipeline.targets import own_bounds
from baler_core.pipeline.written_sample import bytes_beside, written
from baler_core.plugin.interfaces import AutoOptions
from baler_core.plugin.registry import Registry
from baler_core.suggest.autoencoders import ExpectedAutoencoder, variation
from baler_core.suggest.extrapolate import CodedSample, Range, about, effect_of, extrapolated, with_interval
from baler_core.suggest.lossy_tables import LossyTable, allowed_by, is_number, lossy_tables
from baler_core.suggest.reasons import constants, dependent, distinct_few, noisy

# So small a file is coded as it will be; of larger ones samples of these sizes are.
_WHOLE_BYTES, _SMALL, _LARGE = 200_000, 125_000, 500_000
# Fields are coded faster, and differ more from place to place.
_FIELDS = 4_000_000
_PIECES = 3
# Parts of the header differ between a sample and the whole by about so many bytes.
_BESIDE = 100
# The paper's two ratios of columns to latents.
_RATIOS = (1.7, 6.0)


class Ladder(NamedTuple):
    """Bounds to predict for, and what to call them."""

    label: str
    bounds: BoundRules


@dataclass(frozen=True)
class Expected:
    """What a file will become under one set of bounds.

    Attributes
    ----------
    nbytes
        Of the whole `.bal` file.
    seconds
        Processor time of compressing it on this machine.
    models
        Share of the bytes of values that each kind of model will code.
    autoencoders
        What autoencoders of tables would give at the same bounds, by group and ratio of columns to latents.
    reasons
        One sentence each.
    """

    label: str
    nbytes: Range
    seconds: Range
    models: Mapping[str, float]
    autoencoders: Mapping[tuple[str, float], ExpectedAutoencoder] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class FilePrediction:
    """What a file will become.

    Attributes
    ----------
    native, sample
        Bytes of all values, and of those that were coded.
    expected
        For each set of bounds.
    reasons
        What holds for all bounds.
    variation
        Coefficients of variation, standard deviation / |mean|, by variable: the paper's measure.
    """

    source: str
    native: int
    sample: int
    variables: int
    expected: tuple[Expected, ...]
    reasons: tuple[str, ...] = ()
    variation: Mapping[str, float] = field(default_factory=dict)


def usual_bounds(schema: Schema) -> list[Ladder]:
    """Return what is predicted without a configuration: lossless, a thousandth and a hundredth of floats.

    Of fields, parts of their range; of all others, parts of each value. Ids, times and the like stay exact.
    """
    fields = [v.name for v in schema.variables if len(v.dims) > 1]
    found = [Ladder("lossless", BoundRules())]
    for text, part in (("1e-3", 1e-3), ("1e-2", 1e-2)):
        # a pattern that is a name but for a wildcard, so that roles protect what they protect under "*"
        rules = [(f"{name}*" if "*" not in name else name, ErrorBound("range", part)) for name in fields]
        found.append(Ladder(text, BoundRules((*rules, ("*", ErrorBound("rel", part))))))
    return found


def predict(config: Config, registry: Registry, given: Input, ladder: Sequence[Ladder]) -> FilePrediction:
    """Code samples of an open input under each set of bounds, and extrapolate.

    Raises
    ------
    DataError
        If the input cannot be read.
    """
    schema = given.source.schema
    native = sum(map(schema.nbytes, schema.variables))
    names = frozenset(schema.names)
    in_fields = sum(schema.nbytes(v) for v in schema.variables if len(v.dims) > 1 and v.dims[0] not in schema.counts)
    wanted = _FIELDS if 2 * in_fields > native else _LARGE
    sample = sampled(given, names, min(max(1, native), wanted), pieces=_PIECES if native > wanted else 1)
    arrays = _arrays(sample)
    with shown(f"predict {given.name}", "bound", len(ladder)) as step:
        found = []
        small = sampled(given, names, _SMALL, pieces=_PIECES) if native > _WHOLE_BYTES else None
        fixed = bytes_beside(given.source)
        for rung in ladder:
            found.append(_Predictor(config, registry, given, rung, native, fixed).expected(sample, small, arrays))
            step(rung.label)
    same = [f"{name}: all values of the sample are the same" for name in constants(arrays)]
    few = [f"{name}: {count} distinct values in the sample" for name, count in distinct_few(arrays)]
    numbers = {v.name: variation(shown_values(v, arrays[v.name])) for v in schema.variables if is_number(v, arrays)}
    coded = sum(map(sample.source.schema.nbytes, sample.source.schema.variables))
    return FilePrediction(given.name, native, coded, len(names), tuple(found), (*same, *few), numbers)


@dataclass(frozen=True)
class _Predictor:
    """Predicts for one set of bounds."""

    config: Config
    registry: Registry
    given: Input
    rung: Ladder
    native: int
    fixed: int

    def expected(self, sample: Input, smaller: Input | None, arrays: Mapping[str, np.ndarray]) -> Expected:
        """Return what the file will become; of a small file, there is no smaller sample."""
        both = own_bounds(self.given, replace(self.config, bounds=self.rung.bounds, target=None))
        bounds = {name: bound for name, (_, bound) in both.items()}
        rules = BoundRules(tuple((name, bound) for name, bound in bounds.items() if bound.kind != "lossless"))
        config = replace(self.config, bounds=rules, target=None, derived=())
        if smaller is None:
            coded, beside, models = _coded(config, self.registry, sample)
            size, seconds = with_interval(coded.nbytes, 1, self.fixed + beside, _BESIDE), about(coded.seconds)
        else:
            quick = replace(config, model=ComponentSpec(AUTO, AutoOptions(effort="fast")))
            large, beside, models = _coded(quick, self.registry, sample)
            small, _, _ = _coded(quick, self.registry, smaller)
            effect = effect_of(models) if self._at_default() else effect_of({})
            fold = self.native / max(1, large.native)
            learning = models.get("table", 0.0) / max(1.0, sum(models.values()))
            middle = extrapolated(small, large, self.native, learning) * effect.nbytes
            size = with_interval(middle, fold, self.fixed + beside, _BESIDE)
            seconds = about(large.seconds * fold * effect.seconds)
        schema = self.given.source.schema
        allowed = allowed_by(schema, bounds, arrays)
        tables = list(lossy_tables(schema, arrays, allowed))
        total = sum(models.values())
        return Expected(
            self.rung.label,
            size,
            seconds,
            {name: share / max(1, total) for name, share in models.items()},
            {(table.name, ratio): table.autoencoder(ratio) for table in tables for ratio in _RATIOS},
            tuple(_reasons(schema, arrays, tables, allowed)),
        )

    def _at_default(self) -> bool:
        """Return whether the model is to be chosen with more effort than samples are coded with."""
        options = self.config.model.options
        return self.config.model.name == AUTO and getattr(options, "effort", "max") != "fast"


def _coded(config: Config, registry: Registry, sample: Input) -> tuple[CodedSample, int, dict[str, float]]:
    """Code a sample: bytes of values and states, those beside, and native bytes by kind of model."""
    schema = sample.source.schema
    found = written(config, registry, sample, restore=False)
    info, size = found.info, found.coded_bytes
    models: dict[str, float] = {}
    for group in info.header.groups:
        members = [info.header.schema.variables[number] for number in group.variables]
        name = group.models[0].name
        models[name] = models.get(name, 0.0) + sum(map(schema.nbytes, members))
    native = sum(map(schema.nbytes, schema.variables))
    return CodedSample(native, size, found.seconds[0]), info.file_bytes - size, models


def _arrays(sample: Input) -> dict[str, np.ndarray]:
    """Return the stored values of a sample, by variable."""
    found: dict[str, np.ndarray] = {}
    for block in sample.source.blocks(1 << 40):
        found |= {str(name): values_of(block, str(name)) for name in block.variables}
    return found


def _reasons(
    schema: Schema, arrays: Mapping[str, np.ndarray], tables: Sequence[LossyTable], allowed: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yield what decides the size under these bounds."""
    for table in tables:
        yield from dependent(table.names, table.columns)
    typical = {name: float(np.median(values)) for name, values in allowed.items() if arrays[name].ndim > 1}
    yield from noisy({name: arrays[name] for name in typical}, typical, {v.name: v for v in schema.variables})
