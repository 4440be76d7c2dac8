"""Prepare what coding one file needs and no step changes: bounds, tolerances, preprocessors, trained models."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from baler_core.config import Config
from baler_core.config.checker import AUTO
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import BoundRules, Tolerance
from baler_core.data.error_bound import ErrorBound
from baler_core.data.patterns import unmistakable
from baler_core.data.scales import with_scales
from baler_core.data.sentinels import Sentinel
from baler_core.data.variables import GroupKind, Layout, Schema, native_size
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.absurd_errors import with_largest
from baler_core.pipeline.chunking import refuse_unknown_dimensions
from baler_core.pipeline.derived_inputs import NOTHING_HELD, HeldQuantities, held_quantities
from baler_core.pipeline.input import (
    Blocks,
    layouts_of,
    tolerances_of,
)
from baler_core.pipeline.known_bounds import known_bounds
from baler_core.pipeline.matching import refuse_unknown
from baler_core.pipeline.preprocess import Pipeline, Step
from baler_core.pipeline.scaled_groups import is_apart, needs_of, scaled_group, set_apart
from baler_core.pipeline.trained_file import TrainedModels
from baler_core.pipeline.tuning import first_steps, with_step
from baler_core.plugin.interfaces import Model
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
GroupKey: TypeAlias = tuple[GroupKind, tuple[str, ...], int, str]
"""What tells a group from the others of the file, the same in every block."""


def group_key(layout: Layout) -> GroupKey:
    """Return the key of a group."""
    return layout.kind, layout.variables[0].dims, layout.stage, layout.variables[0].name


PartKey: TypeAlias = tuple[str, ...]
"""The variables of a group before it is cut into parts, in the file's order."""


def part_key(layout: Layout) -> PartKey:
    """Return the key of a group that may be cut into parts."""
    return tuple(variable.name for variable in layout.variables)


def is_rest(job: Job, layout: Layout) -> bool:
    """Return whether a group holds what trained models do not know of a group that they know else."""
    return any(part_key(layout) in [tuple(part) for part in parts[1:]] for parts in job.parts.values())


@dataclass(frozen=True)
class GroupBlock:
    """A group of one block: values, layout and tolerances."""

    block: Block
    layout: Layout
    tolerances: Mapping[str, Tolerance]

    def knowing(self, restored: Mapping[str, np.ndarray]) -> GroupBlock:
        """Return the same, with restored variables that its tolerances follow from."""
        return replace(self, tolerances={name: t.knowing(restored) for name, t in self.tolerances.items()})

    @property
    def native_size(self) -> int:
        """Bytes that the values take as their dtypes hold them."""
        return sum(native_size(values_of(self.block, variable.name)) for variable in self.layout.variables)


@dataclass(frozen=True)
class PreparedBlock:
    """A group of one block, as it is and as models see it after preprocessing.

    Attributes
    ----------
    stated
        Tolerances as they follow from the bounds; those of `original` have steps where errors are limited on average.
    steps
        These steps, by variable.
    beside
        Of a group that was set apart, the stream of values that models do not see; None for others.
    """

    original: GroupBlock
    encoded: GroupBlock
    stated: Mapping[str, Tolerance] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    beside: bytes | None = None

    @property
    def needs(self) -> set[str]:
        """Variables that must be restored before models can see this group."""
        return needs_of(self.original.layout, self.original.tolerances)

    def scaled(self, restored: Mapping[str, np.ndarray]) -> PreparedBlock:
        """Return the same, with what its tolerances follow from; divided by them, if it was set apart."""
        given = self.original
        if not is_apart(given.layout, given.tolerances):
            if not self.needs:
                return self
            stated = {name: tolerance.knowing(restored) for name, tolerance in self.stated.items()}
            return replace(
                self, original=given.knowing(restored), encoded=self.encoded.knowing(restored), stated=stated
            )
        known = {
            name: tolerance.among(restored).in_tiles(values_of(given.block, name))
            for name, tolerance in given.tolerances.items()
        }
        found = scaled_group(given.block, given.layout, known)
        seen = GroupBlock(found.block, found.layout, found.tolerances)
        return PreparedBlock(replace(given, tolerances=known), seen, beside=found.beside)

    @property
    def key(self) -> GroupKey:
        """Which group of the file it belongs to."""
        return group_key(self.original.layout)

    def with_steps(self, steps: Mapping[str, float], pipeline: Pipeline) -> PreparedBlock:
        """Return the same with other steps."""
        tolerances = {name: with_step(one, steps.get(name, 0.0)) for name, one in self.stated.items()}
        original = replace(self.original, tolerances=tolerances)
        seen = {name: one.for_models for name, one in tolerances.items()}
        if pipeline.touches(original.layout):
            seen = pipeline.tolerances(seen)
        return PreparedBlock(original, replace(self.encoded, tolerances=seen), self.stated, steps)


@dataclass(frozen=True)
class Job:
    """What one file is compressed, or learned from, by.

    Attributes
    ----------
    trained
        Models trained before.
    for_other_files
        Whether what is learned will serve other files.
    kept_exact
        Variables that are exact in spite of a lossy pattern with wildcards, and why.
    held
        Derived quantities that are kept.
    parts
        By the variables of groups that are cut into parts: those of each part, in the order of its model.
    """

    config: Config
    registry: Registry
    blocks: Blocks
    bounds: tuple[ErrorBound, ...]
    tolerances: Mapping[str, Tolerance]
    pipeline: Pipeline
    trained: TrainedModels | None = None
    for_other_files: bool = False
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    held: HeldQuantities = NOTHING_HELD
    parts: Mapping[PartKey, Sequence[Sequence[str]]] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The schema to store."""
        return self.blocks.schema

    @property
    def left_out(self) -> Sequence[str]:
        """What of the input is not in the file, and why."""
        return self.blocks.left_out

    @property
    def by_reference(self) -> bool:
        """Whether the file refers to trained models instead of holding their states."""
        return self.trained is not None and self.config.model_storage == "reference"

    @property
    def learns_at_once(self) -> bool:
        """Whether groups may be learned in several threads: models that `auto` chooses from, of values that have been read.

        Some libraries read files in one thread alone, and torch has one row of random numbers for all threads.
        """
        return self.blocks.kept is not None and self.config.model.name == AUTO

    def prepared(self, block: Block) -> list[PreparedBlock]:
        """Split a block into its groups, and preprocess it, once for all of them."""
        layouts = [
            part
            for layout in layouts_of(block, self.schema)
            for one in set_apart(layout, self.tolerances, direct=self._direct(layout))
            for part in self._in_parts(one)
        ]
        touched = [self.pipeline.touches(layout) for layout in layouts]
        encoded = self.pipeline.encode(block) if any(touched) else block
        found = []
        for layout, is_touched in zip(layouts, touched, strict=True):
            stated = {variable.name: self.tolerances[variable.name] for variable in layout.variables}
            seen = GroupBlock(block, layout, stated)
            if is_touched:
                seen = GroupBlock(encoded, self.pipeline.encoded_layout(layout), stated)
            given = PreparedBlock(GroupBlock(block, layout, stated), seen, stated, {})
            found.append(given.with_steps(first_steps(stated, layout.variables), self.pipeline))
        return found

    def _in_parts(self, layout: Layout) -> list[Layout]:
        """Cut a group into its parts."""
        named = {variable.name: variable for variable in layout.variables}
        parts = self.parts.get(part_key(layout), [tuple(named)])
        return [replace(layout, variables=tuple(named[name] for name in part)) for part in parts]

    def _direct(self, layout: Layout) -> bool:
        """Whether the model of a group restores first what tolerances follow from."""
        named = self.config.model.name
        # What models restore is what tolerances follow from only where nothing comes between.
        if layout.kind != "table" or self.pipeline.touches(layout):
            return False
        if named == "auto":
            return True
        model = self.registry.model(named)
        return model.takes_scales or layout.kind not in model.kinds


class GroupBlocks:
    """The blocks of one group as models see them; iterable again and again."""

    def __init__(self, job: Job, layout: Layout) -> None:
        self._job = job
        self._layout = layout

    def __iter__(self) -> Iterator[Block]:
        pipeline, touched = self._job.pipeline, self._job.pipeline.touches(self._layout)
        for block in self._job.blocks:
            if self._layout.variables[0].name in block.variables:
                yield pipeline.encode(block) if touched else block


def prepare(
    config: Config,
    registry: Registry,
    source: Source,
    model: Path | None = None,
    *,
    for_other_files: bool = False,
    quiet: bool = False,
) -> Job:
    """Find bounds, tolerances, preprocessors and trained models for one source; read it once if a bound needs a range.

    Parameters
    ----------
    quiet
        Whether warnings of the bounds have been told already.
    """
    if model is None:
        named_model(config, registry)
    # Files that share settings or a trained model need not have the same variables.
    if not quiet and model is None and len(config.inputs) < 2 and not config.one_of_many:
        refuse_unknown(source, config.bounds)
        refuse_unknown_dimensions(config.chunks, source.schema)
    if not quiet:
        _warn_of_text(source, config.bounds)
    blocks = Blocks(source, config.block_bytes)
    bounds, exact_anyway, sentinels = known_bounds(config, source, blocks, quiet=quiet)
    held = _known_tolerances(config, registry, blocks, bounds, sentinels, quiet=quiet)
    tolerances = _settled_tolerances(source, blocks, held, config.bounds)
    # A change of variables would come between values and what their tolerances follow from.
    exact = [name for name, tolerance in tolerances.items() if not tolerance.lossy or tolerance.kind == "each"]
    trained = TrainedModels(model, registry) if model is not None else None
    pipeline = Pipeline(trained.pipeline.steps, exact) if trained else _pipeline(config, registry, blocks, exact)
    given = config, registry, blocks, held.bounds, tolerances, pipeline
    return Job(*given, trained, for_other_files, exact_anyway, held)


def _known_tolerances(
    config: Config,
    registry: Registry,
    blocks: Blocks,
    bounds: tuple[ErrorBound, ...],
    sentinels: Mapping[str, Sentinel],
    *,
    quiet: bool,
) -> HeldQuantities:
    """Return bounds as tolerances, once inputs of derived quantities may lose no more than these allow."""
    tolerances = tolerances_of(blocks, bounds, sentinels)
    if not config.derived:
        return HeldQuantities(bounds=bounds, tolerances=tolerances)
    return held_quantities(config, registry, blocks, bounds, tolerances, quiet=quiet)


def _settled_tolerances(
    source: Source, blocks: Blocks, held: HeldQuantities, rules: BoundRules
) -> Mapping[str, Tolerance]:
    """Return tolerances as the format can keep them, by variable; `blocks` get the schema that goes with them."""
    stated = dict(zip(source.schema.names, held.tolerances, strict=True))
    settled = source.settle(stated, in_full=held.inputs) if held.inputs else source.settle(stated)
    blocks.schema, tolerances = settled.schema, dict(settled.tolerances)
    if any(tolerance.kind == "each" for tolerance in tolerances.values()):
        tolerances = _with_scales(blocks, held.bounds, tolerances, rules)
        _refuse_moving_parents(tolerances, held.inputs)
    return tolerances


def _with_scales(
    blocks: Blocks, bounds: Sequence[ErrorBound], tolerances: Mapping[str, Tolerance], rules: BoundRules
) -> dict[str, Tolerance]:
    """Complete tolerances that follow from other variables by what finds them."""
    names = blocks.schema.names
    places = rules.among(names).places_of(names)
    scaled = with_scales(blocks.schema, bounds, [tolerances[name] for name in names], places)
    largest = with_largest(blocks, dict(zip(names, scaled, strict=True)))
    return dict(zip(names, with_scales(blocks.schema, bounds, tuple(largest.values()), places), strict=True))


def named_model(config: Config, registry: Registry) -> Model | None:
    """Make the model that a configuration names, without state; None for `auto`.

    Raises
    ------
    MissingPackage
        If it needs a package that is not installed: made before anything is read, it says so at once.
    """
    wanted = config.model
    return None if wanted.name == "auto" else registry.model(wanted.name)(wanted.options)


def _warn_of_text(source: Source, rules: BoundRules) -> None:
    """Warn of lossy bounds that reach nothing but text, and of columns that are text for a single cell.

    Raises
    ------
    ConfigError
        If such a column is named.
    """
    text = {variable.name for variable in source.schema.variables if variable.is_text}
    reached = rules.reached(source.schema.names)
    for (pattern, bound), names in zip(rules.rules, reached, strict=True):
        lossy = bound.kind != "lossless"
        for name in (name for name in names if lossy and name in source.obstacles):
            message = f"{name!r} is text and stays exact: {source.obstacles[name]}"
            if name == pattern:
                raise ConfigError(f"the bound {bound} cannot be kept: {message}")
            logger.warning("%s", message)
        if lossy and names and text.issuperset(names):
            logger.warning("the bound %s for %r matches nothing but text, which stays exact", bound, pattern)


def _pipeline(config: Config, registry: Registry, blocks: Blocks, exact: Sequence[str]) -> Pipeline:
    """Make the configured preprocessors, and show each the first block that holds a variable."""
    names = blocks.schema.names
    steps = [
        Step(registry.preprocessor(s.name)(s.options), unmistakable(s.variables, names)) for s in config.preprocess
    ]
    pipeline = Pipeline(steps, exact)
    waiting = set(names) if steps else set()
    for block in blocks if waiting else ():
        present = waiting & {str(name) for name in block.variables}
        if present:
            pipeline.fit(block)
            waiting -= present
        if not waiting:
            break
    return pipeline


def _refuse_moving_parents(tolerances: Mapping[str, Tolerance], inputs: Collection[str]) -> None:
    """Refuse lossy inputs of derived quantities that bounds follow from: some become exact after these were used.

    Raises
    ------
    ConfigError
        If there is one.
    """
    for name, tolerance in tolerances.items():
        for parent in () if tolerance.scale is None else tolerance.scale.needs:
            if parent in inputs and tolerances[parent].lossy:
                raise ConfigError(
                    f"the bound of {name!r} follows from {parent!r}, of which a derived quantity needs some values exactly: "
                    f"keep {parent!r} lossless, or leave it out of 'derived'"
                )
