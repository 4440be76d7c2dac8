"""Predict from samples how small a file will become, how long it takes, by which models, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

import numpy as np

from baler_core.config import Config
from baler_core.data.block import values_of
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema
from baler_core.machine.progress import shown
from baler_core.machine.records import dataclass
from baler_core.pipeline.brief import Brief
from baler_core.pipeline.coded_sample import CodedSample, GroupName, code_sample, sample_of_file
from baler_core.pipeline.input import Input
from baler_core.pipeline.noise_bounds import shown_values
from baler_core.pipeline.targets import own_bounds
from baler_core.plugin.registry import Registry
from baler_core.suggest.autoencoders import ExpectedAutoencoder, variation
from baler_core.suggest.extrapolate import (
    Range,
    about,
    effect_of,
    extrapolated,
    known,
    usual_effort,
    with_effort,
    with_interval,
)
from baler_core.suggest.lossy_tables import LossyTable, allowed_by, is_number, lossy_tables
from baler_core.suggest.reasons import constants, dependent, distinct_few, noisy

# So small a file is coded as it will be; of larger ones samples of these sizes are.
_WHOLE_TABLE, _SMALL, _LARGE = 400_000, 125_000, 500_000
# Fields are coded faster, differ more from place to place, and modes and contexts of theirs need more to learn from.
_WHOLE_FIELD, _SMALL_FIELD, _LARGE_FIELD = 300_000, 500_000, 16_000_000
# Hundreds of short ones, as rows of vectors in trees, take longer and have no modes to find.
_SHORT_FIELD, _SHORT_FIELDS = 500_000, 4_000_000
_PIECES = 3
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


def usual_bounds(schema: Schema, parts: Sequence[str] = ("1e-3", "1e-2")) -> list[Ladder]:
    """Return what is predicted without a configuration: lossless, and parts of floats, a thousandth and a hundredth.

    Of fields, parts of their range; of all others, parts of each value. Ids, times and the like stay exact.
    """
    fields = [v.name for v in schema.variables if len(v.dims) > 1]
    found = [Ladder("lossless", BoundRules())]
    for text, part in ((text, float(text)) for text in parts):
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
    of_fields = _wanted_of_fields(schema, native)
    samples = _samples_of(given, native, of_fields)
    arrays = _arrays(samples.large)
    with shown(f"predict {given.name}", "bound", len(ladder)) as step:
        found = []
        # What effort saves of tables hardly depends on the bound, but on whether there is one.
        saved: dict[object, dict[GroupName, float]] = {}
        for rung in ladder:
            alike = rung.label if of_fields == _LARGE_FIELD else bool(rung.bounds.rules)
            predictor = _Predictor(config, registry, given, rung, saved.setdefault(alike, {}))
            found.append(predictor.expected(samples, arrays))
            step(rung.label)
    same = [f"{name}: all values of the sample are the same" for name in constants(arrays)]
    few = [f"{name}: {count} distinct values in the sample" for name, count in distinct_few(arrays)]
    numbers = {v.name: variation(shown_values(v, arrays[v.name])) for v in schema.variables if is_number(v, arrays)}
    coded = sum(map(samples.large.source.schema.nbytes, schema.variables))
    return FilePrediction(given.name, native, coded, len(schema.names), tuple(found), (*same, *few), numbers)


@dataclass(frozen=True)
class _Samples:
    """What of a file is coded: all of a small one; of a larger one a large sample and a small one.

    Attributes
    ----------
    is_field
        Whether most of the values are in fields.
    """

    large: Input
    small: Input | None = None
    is_field: bool = False


def _wanted_of_fields(schema: Schema, native: int) -> int:
    """Return how many bytes to sample of a file of which most values are in fields; 0 of others."""
    fields = [schema.nbytes(v) for v in schema.variables if len(v.dims) > 1 and v.dims[0] not in schema.counts]
    if 2 * sum(fields) <= native:
        return 0
    return _LARGE_FIELD if sum(fields) >= _SHORT_FIELD * len(fields) else _SHORT_FIELDS


def _samples_of(given: Input, native: int, of_fields: int) -> _Samples:
    """Take samples of a file of so many bytes: a large one of `of_fields`, if most of its values are in fields."""
    if native <= (_WHOLE_FIELD if of_fields else _WHOLE_TABLE):
        return _Samples(given)
    wanted, little = (of_fields, _SMALL_FIELD) if of_fields else (_LARGE, _SMALL)
    large = sample_of_file(given, min(native, wanted), _PIECES if native > wanted else 1)
    small = sample_of_file(given, min(native, little), _PIECES if native > little else 1)
    return _Samples(large, small, of_fields > 0)


@dataclass(frozen=True)
class _Predictor:
    """Predicts for one set of bounds.

    Attributes
    ----------
    saved
        What part of its bytes effort leaves of each group, where other bounds have shown that already; found ones are added.
    """

    config: Config
    registry: Registry
    given: Input
    rung: Ladder
    saved: dict[GroupName, float]

    def expected(self, samples: _Samples, arrays: Mapping[str, np.ndarray]) -> Expected:
        """Return what the file will become."""
        both = own_bounds(self.given, replace(self.config, bounds=self.rung.bounds, target=None))
        bounds = {name: bound for name, (_, bound) in both.items()}
        rules = BoundRules(tuple((name, bound) for name, bound in bounds.items() if bound.kind != "lossless"))
        brief = Brief.of(replace(self.config, bounds=rules, target=None), self.registry)
        size, seconds, coded = self._coded(brief, samples)
        models: dict[str, float] = {}
        for group in coded.groups.values():
            models[group.model] = models.get(group.model, 0.0) + group.whole
        schema = self.given.source.schema
        allowed = allowed_by(schema, bounds, arrays)
        tables = list(lossy_tables(schema, arrays, allowed))
        return Expected(
            self.rung.label,
            size,
            seconds,
            {name: share / max(1, sum(models.values())) for name, share in models.items()},
            {(table.name, ratio): table.autoencoder(ratio) for table in tables for ratio in _RATIOS},
            (*brief.told, *_reasons(schema, arrays, tables, allowed)),
        )

    def _coded(self, brief: Brief, samples: _Samples) -> tuple[Range, Range, CodedSample]:
        """Return bytes and seconds of the whole file, and what of it was coded."""
        schema = self.given.source.schema
        if samples.small is None:
            whole = code_sample(brief.config, self.registry, samples.large, schema)
            size = known(whole.nbytes) if not brief.told else with_interval(whole.nbytes, 1, briefly=True)
            return size, about(whole.seconds * brief.seconds), whole
        large = code_sample(brief.quick, self.registry, samples.large, schema)
        small = code_sample(brief.quick, self.registry, samples.small, schema)
        if not self.saved:
            self.saved.update(self._saved_by_effort(brief, samples, small))
        middle = 0.0
        for name, group in large.groups.items():
            middle += extrapolated(small.groups.get(name), group) * self.saved.get(name, usual_effort(group))
        fixed = large.beside + sum(group.state for group in large.groups.values())
        # what effort saves of fields is known from the small sample alone, and says half as much as what is coded
        fold = (
            max(large.fold, math.sqrt(small.fold))
            if samples.is_field and brief.quick is not brief.config
            else large.fold
        )
        size = with_interval(middle, fold, fixed, briefly=bool(brief.told))
        slower = brief.seconds if brief.quick is brief.config else effect_of(large).seconds
        return size, about(large.seconds * large.fold * slower), large

    def _saved_by_effort(self, brief: Brief, samples: _Samples, small: CodedSample) -> dict[GroupName, float]:
        """Return what part of the bytes is left with the effort of the file, as measured on the small sample."""
        if brief.quick is brief.config:
            return dict.fromkeys(small.groups, 1.0)
        if samples.small is None:
            return {}
        tried = code_sample(brief.config, self.registry, samples.small, self.given.source.schema).groups
        return {name: with_effort(group, tried[name]) for name, group in small.groups.items() if name in tried}


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
