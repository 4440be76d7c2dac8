"""Record the passing blocks of two files: bound checks, metrics, distributions and pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.comparison import is_measured
from baler_core.data.error_bound import UNBOUNDED, ErrorBound
from baler_core.data.pairing import Piece
from baler_core.data.patterns import name_matches, unmistakable
from baler_core.data.roles import lists_in_rows
from baler_core.data.running_statistics import sample_size
from baler_core.data.scales import with_scales
from baler_core.data.tolerance import make_tolerance, usable_packing
from baler_core.data.uncertainties import errors_beside
from baler_core.data.variables import Schema, Variable
from baler_core.evaluate.bound_check import MANY_ZEROS, BoundCheck
from baler_core.evaluate.distributions import DistributionRecorder
from baler_core.evaluate.drawings import Drawings
from baler_core.evaluate.evidence import Evidence, errors_of
from baler_core.evaluate.pictures import PictureRecorder, can_be_pictured
from baler_core.evaluate.results import MetricOutcome, VariableResult
from baler_core.evaluate.survey import Survey
from baler_core.plugin.interfaces import Metric

logger = logging.getLogger(__name__)
_MOST_DISTRIBUTIONS = 2000
_MOST_PICTURES = 60
_LOSS_SAMPLE = 50_000
_EVIDENCE_SAMPLE = 20_000


class GuardedMetric:
    """A metric that may fail: what it raises becomes part of the report, and it is not asked again."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._problem = ""

    def update(self, piece: Piece, variables: Mapping[str, Variable]) -> None:
        """Show it one block of each."""
        if self._problem:
            return
        try:
            self._metric.update(piece.original, piece.restored, variables)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._problem = f"{type(error).__name__}: {error}"
        logger.warning("the metric %r failed and is left out of the report: %s", self._metric.name, self._problem)
        logger.debug("its traceback", exc_info=True)

    def outcome(self) -> MetricOutcome:
        """Return what it found, or why not."""
        name = self._metric.name
        if self._problem:
            return MetricOutcome(name, problem=self._problem)
        try:
            result = self._metric.result()
            values = {str(key): {str(k): float(v) for k, v in row.items()} for key, row in result.values.items()}
            units = {str(key): str(unit) for key, unit in result.units.items()}
            return MetricOutcome(name, values, units, tuple(map(str, self._metric.plots())), metric=self._metric)
        except Exception as error:
            self._failed(error)
            return MetricOutcome(name, problem=self._problem)


class Recorders:
    """All of them, by variable.

    Parameters
    ----------
    bounds
        By variable name; what is not there has no known bound.
    drawn
        Patterns of variables to draw.
    """

    def __init__(
        self,
        schema: Schema,
        found: Survey,
        *,
        bounds: Mapping[str, ErrorBound],
        metrics: Sequence[Metric],
        drawn: Sequence[str],
    ) -> None:
        self._schema = schema
        self._variables = {variable.name: variable for variable in schema.variables}
        self._bounds = bounds
        self._native_bytes = found.native_bytes
        self._checks = {name: BoundCheck(v, tolerance) for name, v, tolerance in _tolerances(schema, bounds, found)}
        self._metrics = [GuardedMetric(metric) for metric in metrics]
        self._notes: list[str] = []
        drawn = unmistakable(drawn, schema.names)
        candidates = [v for v in schema.variables if _worth_drawing(v, bounds, drawn)]
        shown = self._first(candidates, _MOST_DISTRIBUTIONS, "distributions")
        size = sample_size(2 * len(shown), most=_LOSS_SAMPLE)
        self._distributions = {
            v.name: DistributionRecorder(
                v, found.limits[v.name], found.samples[v.name], tolerance=self._checks[v.name].tolerance, size=size
            )
            for v in shown
            if v.name in found.samples and found.samples[v.name].seen
        }
        fields = self._first([v for v in candidates if can_be_pictured(v, schema)], _MOST_PICTURES, "2-D slices")
        self.evidence = self._gather(found)
        self._pictures = {v.name: PictureRecorder(v, schema, found.coordinates) for v in fields}

    def _gather(self, found: Survey) -> dict[str, Evidence]:
        """What tells whether a loss matters, of all variables that may have one."""
        lossy = [v for v in self._schema.variables if is_measured(v) and usable_packing(v) and self._may_differ(v.name)]
        size = sample_size(2 * len(lossy), most=_EVIDENCE_SAMPLE)
        beside, lists = errors_beside(self._schema.names), lists_in_rows(self._schema)
        return {
            v.name: Evidence(
                v,
                self._checks[v.name].tolerance,
                size,
                errors_of(v.name, beside),
                has_planes=len(v.dims) > 1 and v.name not in lists,
            )
            for v in lossy
        }

    def _may_differ(self, name: str) -> bool:
        tolerance = self._checks[name].tolerance
        return tolerance is None or tolerance.lossy

    def _first(self, candidates: list[Variable], most: int, what: str) -> list[Variable]:
        if len(candidates) > most:
            self._notes.append(f"Recorded {what} of the first {most:,} of {len(candidates):,} variables.")
        return candidates[:most]

    def notes(self) -> tuple[str, ...]:
        """Return what was not recorded."""
        return tuple(self._notes)

    def update(self, piece: Piece) -> None:
        """Take in the same rows of both files."""
        present = {name: v for name, v in self._variables.items() if name in piece.original.variables}
        for name in present.keys() & self.evidence.keys():
            lengths = [self._schema.sizes[dim] for dim in self._variables[name].dims]
            self.evidence[name].update(piece, lengths)
        for name in present:
            before, after = values_of(piece.original, name), values_of(piece.restored, name)
            self._checks[name].update(before, after, self._each(name, piece))
            if name in self._distributions:
                self._distributions[name].update(before, after)
            if name in self._pictures:
                self._pictures[name].update(before, after, piece.start)
        for metric in self._metrics:
            metric.update(piece, present)

    def _each(self, name: str, piece: Piece) -> Tolerance | None:
        """Return the tolerance of each value of a piece by what its formula gives before and after, the smaller."""
        tolerance = self._checks[name].tolerance
        if tolerance is not None and tolerance.noise is not None:
            values = values_of(piece.original, name)
            return replace(tolerance, each=tolerance.noise.levels(values, usable(values, tolerance.fill)))
        if tolerance is None or tolerance.scale is None:
            return None
        needs = tolerance.scale.needs
        sides = [{need: values_of(block, need) for need in needs} for block in (piece.original, piece.restored)]
        before, after = (tolerance.scale.stated(side) for side in sides)
        each = np.where((before > 0) & (after > 0), np.minimum(before, after), np.maximum(before, after))
        return replace(tolerance, each=each.reshape(values_of(piece.original, name).shape))

    def variables(self) -> tuple[VariableResult, ...]:
        """Return errors against bounds, per variable."""
        return tuple(self._result(variable) for variable in self._schema.variables)

    def _result(self, variable: Variable) -> VariableResult:
        check = self._checks[variable.name]
        bound = self._bounds.get(variable.name)
        return VariableResult(
            name=variable.name,
            dtype=variable.dtype,
            dims=variable.dims,
            shape=tuple(self._schema.sizes[dim] for dim in variable.dims),
            units=variable.units,
            label=variable.label,
            bound=str(bound) if bound is not None else "",
            lossy=check.tolerance.lossy if check.tolerance is not None else None,
            values=check.values,
            changed=check.changed,
            native_bytes=self._native_bytes.get(variable.name, 0),
            largest_error=check.largest_error,
            allowed=check.allowed,
            share=check.share,
            violations=check.violations,
            mean_error=check.on_average[0] if check.on_average is not None else None,
            mean_limit=check.on_average[1] if check.on_average is not None else None,
            mask_changed=check.mask_changed,
            zeros=check.zeros if check.zeros >= MANY_ZEROS * check.values else 0,
            zeros_changed=check.zeros_changed if check.zeros >= MANY_ZEROS * check.values else 0,
            signs_changed=check.signs_changed,
            distinct=check.distinct_counts,
        )

    def outcomes(self) -> tuple[MetricOutcome, ...]:
        """Return what the metrics found."""
        return tuple(metric.outcome() for metric in self._metrics)

    def drawings(self) -> Drawings:
        """Return what figures are drawn from."""
        return Drawings(
            {name: recorder.distribution() for name, recorder in self._distributions.items()},
            {name: recorder.picture() for name, recorder in self._pictures.items()},
        )


def _tolerances(
    schema: Schema, bounds: Mapping[str, ErrorBound], found: Survey
) -> Iterator[tuple[str, Variable, Tolerance | None]]:
    """Yield the variables with their tolerances; None where no bound is known."""
    known = {
        v.name: make_tolerance(bounds[v.name], v, extent=found.limits.get(v.name))
        for v in schema.variables
        if v.name in bounds
    }
    if any(tolerance.kind == "each" for tolerance in known.values()):
        stated = [bounds.get(name, UNBOUNDED) for name in schema.names]
        scaled = with_scales(schema, stated, [known.get(name, Tolerance("exact")) for name in schema.names])
        known = {name: tolerance for name, tolerance in zip(schema.names, scaled, strict=True) if name in known}
    return ((v.name, v, known.get(v.name)) for v in schema.variables)


def _worth_drawing(variable: Variable, bounds: Mapping[str, ErrorBound], drawn: Sequence[str]) -> bool:
    """Numbers that may have changed, and whatever was asked for by a pattern other than all."""
    if not is_measured(variable) or not usable_packing(variable):
        return False
    if not any(name_matches(variable.name, pattern) for pattern in drawn):
        return False
    bound = bounds.get(variable.name)
    lossy = bound is None or bound.kind != "lossless"
    return lossy or any(pattern != "*" and name_matches(variable.name, pattern) for pattern in drawn)
