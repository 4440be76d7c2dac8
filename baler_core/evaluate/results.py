"""Hold the results of an evaluation: numbers that convert to JSON and back, and the arrays of figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Any, Literal

from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from baler_core.data.error_bound import allowing
from baler_core.data.mean_errors import within
from baler_core.data.seeds import SeedSpread
from baler_core.data.variables import Json
from baler_core.errors import DataError
from baler_core.evaluate.drawings import Drawings
from baler_core.evaluate.peer_results import PeerComparison
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Metric


@dataclass(frozen=True)
class VariableResult:
    """One variable, compared.

    Attributes
    ----------
    bound
        As the user stated it (`rel 0.001`); empty where it is not known.
    lossy
        Whether the bound allows any error; None where it is not known.
    native_bytes
        What its values take as their dtype holds them; text in UTF-8, and one byte more per cell.
    values, changed
        How many values there are, and how many came back with other bits.
    largest_error
        Largest |restored - original|, in physical units, over values that are finite on both sides.
    allowed
        The error allowed to the value that came nearest to its limit, in physical units; None without an
        error bound.
    share
        That value's error / allowed: the bound holds if it is at most 1.
    violations
        Values outside their bound.
    mask_changed
        Values that readers of the format showed and now show as missing, or the other way.
    zeros, zeros_changed
        Values that were exactly 0, and how many of them are not any more, of variables that have many; else 0.
    signs_changed
        How many values were above 0 and are below it, or the other way.
    distinct
        Number of distinct values before and after, of whole numbers of which some changed; else None.
    mean_error, mean_limit
        The error on average that the bound limits, and the limit, in physical units or as shares of the values; None
        where it limits none.
    level, words
        The verdict on its loss: whether it is good, has to be looked at or is bad, and why.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    units: str = ""
    label: str = ""
    bound: str = ""
    lossy: bool | None = None
    values: int = 0
    changed: int = 0
    largest_error: float = 0.0
    allowed: float | None = None
    share: float = 0.0
    violations: int = 0
    mask_changed: int = 0
    zeros: int = 0
    zeros_changed: int = 0
    signs_changed: int = 0
    distinct: tuple[int, int] | None = None
    native_bytes: int = 0
    mean_error: float | None = None
    mean_limit: float | None = None
    level: Literal["good", "fair", "bad"] = "good"
    words: str = ""

    @property
    def unexpected_signs(self) -> int:
        """How many values changed their sign although nobody said that they may."""
        return 0 if self.bound == "none" or "sign free" in self.bound else self.signs_changed

    @property
    def shown_bound(self) -> str:
        """The bound, with what it really allows where that is less."""
        return allowing(self.bound, self.dtype, self.allowed)

    @property
    def mean_share(self) -> float | None:
        """The error on average as a share of its limit."""
        if self.mean_error is None or not self.mean_limit:
            return None
        return self.mean_error / self.mean_limit

    @property
    def is_broken_on_average(self) -> bool:
        """Whether the error on average exceeds its limit."""
        return (
            self.mean_error is not None and self.mean_limit is not None and not within(self.mean_error, self.mean_limit)
        )

    @property
    def merged(self) -> bool:
        """Whether distinct values became equal."""
        return self.distinct is not None and self.distinct[1] < self.distinct[0]


@dataclass(frozen=True)
class UnheldResult:
    """What a derived quantity was before values became exact for it, as the `.bal` file records it.

    Attributes
    ----------
    cells
        How many missed its bound.
    largest_error, share
        As of the quantity.
    exact_values, exact_bytes
        How many values of its variables are exact for it, and what they take.
    by_bounds_error, by_bounds_share
        The same if nothing but the bounds of its variables held, tried on a sample; None if they have none.
    """

    cells: int
    largest_error: float
    share: float
    exact_values: int
    exact_bytes: int
    by_bounds_error: float | None = None
    by_bounds_share: float | None = None


@dataclass(frozen=True)
class DerivedResult:
    """A quantity computed from original and restored values, compared cell by cell.

    Attributes
    ----------
    inputs
        The variables that it is computed from.
    cells, judged
        How many there are, and how many are finite in both.
    largest_error, allowed, share, violations
        As of a variable.
    means
        Of the judged cells, before and after.
    unheld
        The same without corrections; None if no `.bal` file tells.
    """

    name: str
    formula: str
    bound: str
    inputs: tuple[str, ...]
    units: str = ""
    cells: int = 0
    judged: int = 0
    largest_error: float = 0.0
    allowed: float | None = None
    share: float = 0.0
    violations: int = 0
    means: tuple[float, float] = (math.nan, math.nan)
    unheld: UnheldResult | None = None


@dataclass(frozen=True)
class GroupResult:
    """Variables that one model coded together."""

    name: str
    variables: tuple[str, ...]
    model: str
    native_bytes: int


@dataclass(frozen=True)
class OtherCompressor:
    """A general-purpose compressor on the same native values, variable after variable.

    `sampled_bytes` of the native bytes were compressed to `compressed_bytes`.
    """

    name: str
    sampled_bytes: int
    compressed_bytes: int

    @property
    def ratio(self) -> float:
        """Compression ratio."""
        return self.sampled_bytes / self.compressed_bytes if self.compressed_bytes else math.nan


@dataclass(frozen=True)
class Sizes:
    """Bytes.

    Attributes
    ----------
    native
        All compared values as their dtypes hold them (text in UTF-8, and one byte more per cell).
    input_file, compressed
        The original file and the `.bal` file; None where there is no such file.
    model
        What models learned, as stored in the `.bal` file: part of `compressed`.
    """

    native: int
    input_file: int | None = None
    compressed: int | None = None
    model: int | None = None

    @property
    def ratio(self) -> float | None:
        """R_actual = native / compressed, everything counted."""
        return self.native / self.compressed if self.compressed else None

    @property
    def file_ratio(self) -> float | None:
        """Bytes of the original file / compressed."""
        return self.input_file / self.compressed if self.compressed and self.input_file is not None else None

    @property
    def ratio_without_model(self) -> float | None:
        """R as the paper quotes it: native / compressed, what the models learned not counted."""
        if not self.compressed or self.model is None or self.model >= self.compressed:
            return None
        return self.native / (self.compressed - self.model)


@dataclass(frozen=True)
class MetricOutcome:
    """What one metric found, or why it failed.

    Attributes
    ----------
    values, units
        As in `MetricResult`.
    plots
        Titles of the plots it offers.
    problem
        The error that stopped it; empty if none did.
    metric
        The metric itself, which can draw its plots; not stored.
    """

    name: str
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    plots: tuple[str, ...] = ()
    problem: str = ""
    metric: Annotated[InstanceOf[Metric] | None, Field(exclude=True)] = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Verdict:
    """Whether a file is what was asked for: in a word or two, and in a sentence."""

    good: bool
    word: str
    sentence: str


@dataclass(frozen=True)
class Results:
    """All contents of a report.

    Attributes
    ----------
    original, restored
        File names.
    training
        `{group: {curve: value per epoch}}`, such as `{"jet": {"training": [...], "validation": [...]}}`.
    seeds
        What training from several seeds gave, by group.
    details
        About the `.bal` file and the software: `{what: text}`.
    left_out
        What of the original is not in the restored file, or differs beyond values, one sentence each.
    kept_exact
        Variables that were kept exactly in spite of a lossy bound under a pattern with wildcards: `{name: reason}`.
    notes
        What a reader of the numbers has to know: what was sampled, not compared, not drawn.
    derived
        Quantities computed from the variables, compared.
    peers
        What other compressors make of a sample of the same values at the same bounds.
    drawings
        Histograms and pictures; kept in a file of their own beside the JSON.
    """

    original: str
    restored: str
    sizes: Sizes
    variables: tuple[VariableResult, ...]
    groups: tuple[GroupResult, ...] = ()
    others: tuple[OtherCompressor, ...] = ()
    metrics: tuple[MetricOutcome, ...] = ()
    training: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    seeds: Mapping[str, SeedSpread] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    derived: tuple[DerivedResult, ...] = ()
    peers: PeerComparison | None = None
    drawings: Annotated[InstanceOf[Drawings], Field(exclude=True)] = field(default_factory=Drawings, compare=False)

    @property
    def violations(self) -> int:
        """Values outside their bound, in all variables."""
        return sum(variable.violations for variable in self.variables)

    @property
    def verdict(self) -> Verdict:
        """The verdict on all values and bounds; good only if it needs no qualification."""
        known = [v for v in self.variables if v.bound and v.bound != "none"]
        if self.variables and not any(v.bound for v in self.variables):
            return Verdict(False, "not known", "the allowed errors are not known: errors are stated, not judged")
        if not known:
            return Verdict(False, "not known", "no bound was set: errors are stated, not judged")
        if self.violations:
            return Verdict(False, "broken", f"{self.violations:,} values lie outside their bound")
        if on_average := [v.name for v in self.variables if v.is_broken_on_average]:
            return Verdict(False, "broken", f"the errors on average exceed their limits in {', '.join(on_average)}")
        failed = [one.name for one in self.derived if one.violations]
        if failed:
            return Verdict(False, "broken", f"derived quantities moved too far: {', '.join(failed)}")
        masked = sum(v.mask_changed for v in self.variables)
        if masked:
            return Verdict(False, "missing values changed", f"{masked:,} values changed between valid and missing")
        if len(known) < len(self.variables):
            return Verdict(False, "hold in part", f"{len(self.variables) - len(known):,} variables have no bound")
        if self.left_out:
            return Verdict(False, "hold for what is kept", "not all of the original is in the file: see below")
        if not any(v.lossy for v in known):
            return Verdict(True, "all hold", "every value is exact")
        lossy = sum(bool(v.lossy) for v in known)
        return Verdict(
            True, "all hold", f"{lossy:,} lossy and {len(known) - lossy:,} exact variables, every value checked"
        )

    def worst(self) -> VariableResult | None:
        """Return the lossy variable that came nearest to (or went farthest past) its bound."""
        bounded = [v for v in self.variables if v.lossy and v.allowed is not None]
        return max(bounded, key=lambda v: v.share, default=None)

    def metric(self, name: str) -> Mapping[str, Mapping[str, float]]:
        """Return what the metric `name` found, per variable; empty if it was not asked for."""
        return next((outcome.values for outcome in self.metrics if outcome.name == name), {})

    def to_json(self) -> Json:
        """Return all numbers as plain dicts and lists, valid JSON: numbers that are not finite as "NaN", "Infinity"."""
        return _finite(_ADAPTER.dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, record: Json, drawings: Drawings | None = None) -> Results:
        """Invert `to_json`.

        Raises
        ------
        DataError
            If the record is not one that `to_json` wrote.
        """
        try:
            results = _ADAPTER.validate_python(record)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(f"not the results of an evaluation: {place}: {first['msg']}") from error
        return results if drawings is None else replace(results, drawings=drawings)


def _finite(value: Any) -> Any:
    """Numbers that JSON does not have, as the words that most programs parse as such numbers."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


_ADAPTER: TypeAdapter[Any] = TypeAdapter(Results)
