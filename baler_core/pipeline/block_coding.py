"""A block to the bytes of its section and what is known of it; and what is known of all blocks, put together in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.mean_errors import MeanError
from baler_core.data.sentinels import Ends, Sentinel, ends_of
from baler_core.data.variables import block_sizes, leading_dimension
from baler_core.format.blocks import pack_block
from baler_core.format.header import BlockRecord, ErrorRecord
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived_held import DerivedFound, DerivedKeeper, derived_records
from baler_core.pipeline.file_header import CodedFile, StoredGroup
from baler_core.pipeline.group_coder import CodedBlock, GroupCoder, begin_group, start_group
from baler_core.pipeline.group_threads import at_a_time, bytes_worth_threads, threads_for
from baler_core.pipeline.guarantee import joined_errors
from baler_core.pipeline.job import GroupBlock, GroupKey, Job, PreparedBlock
from baler_core.pipeline.scaled_groups import restored_first
from baler_core.pipeline.wide_bounds import Span, joined_spans, spans_of


@dataclass(frozen=True)
class BlockPlace:
    """Where a block lies.

    Attributes
    ----------
    number
        Among all blocks of the file.
    before
        How many rows of each leading dimension come before it.
    """

    number: int
    before: Mapping[str, int] = field(default_factory=dict)

    def next(self, block: Block, job: Job) -> BlockPlace:
        """Return the place behind a block that lies here."""
        dims = {leading_dimension(job.schema[name], job.schema) for name in block.variables}
        rows = {dim: self.before.get(dim, 0) + block.sizes[dim] for dim in dims if dim is not None}
        return BlockPlace(self.number + 1, {**self.before, **rows})


@dataclass(frozen=True)
class CodedSection:
    """A block that is coded.

    Attributes
    ----------
    section
        What is stored of it.
    keys, models
        Its groups, and which of the models of each coded it.
    errors, flips, zeros, means, derived
        What was lost, by variable or derived quantity.
    exact
        How many values are stored beside what the models made, by variable.
    spans
        The smallest and the largest value of each variable that has one absolute bound.
    ends
        Of the variables that may lose something, and what marks of missing values lie beyond them.
    native_bytes, nbytes
        Of its values, as their dtypes hold them and as arrays.
    """

    section: bytes
    keys: tuple[GroupKey, ...]
    models: tuple[int, ...]
    sizes: Mapping[str, int]
    errors: Mapping[str, ErrorRecord]
    flips: Mapping[str, int]
    zeros: Mapping[str, int]
    means: Mapping[str, MeanError]
    derived: Mapping[str, DerivedFound]
    exact: Mapping[str, int]
    spans: Mapping[str, Span]
    ends: Mapping[str, Ends]
    native_bytes: int
    nbytes: int


# What encodes the first block of a group, by group.
FirstOfGroups = dict[GroupKey, Callable[[], CodedBlock]]


class NewGroup(Exception):
    """A block has a group of which nothing is learned yet."""


def code_known(job: Job, coders: Mapping[GroupKey, GroupCoder], block: Block, place: BlockPlace) -> CodedSection:
    """Encode a block all of whose groups have coders.

    Raises
    ------
    NewGroup
        If one has none.
    """
    given = job.prepared(block)
    if any(one.key not in coders for one in given):
        raise NewGroup
    return _section(job, dict(coders), block, given, place)


def code_block(job: Job, coders: dict[GroupKey, GroupCoder], block: Block, place: BlockPlace) -> CodedSection:
    """Encode a block; groups that are met first get their coders now."""
    return _section(job, coders, block, job.prepared(block), place)


def begin_block(
    job: Job, coders: dict[GroupKey, GroupCoder], block: Block, place: BlockPlace
) -> Callable[[], CodedSection]:
    """Learn what is new in a block, so that other blocks can be encoded meanwhile; and return what encodes it."""
    given = job.prepared(block)
    if any(one.needs for one in given):  # groups are learned from what others are restored to
        section = _section(job, coders, block, given, place)
        return lambda: section
    first: FirstOfGroups = {}
    for one in given:
        if one.key not in coders:
            coders[one.key], first[one.key] = begin_group(job, one.scaled({}))
    return partial(_section, job, dict(coders), block, given, place, first)


def _section(
    job: Job,
    coders: dict[GroupKey, GroupCoder],
    block: Block,
    given: Sequence[PreparedBlock],
    place: BlockPlace,
    first: FirstOfGroups | None = None,
) -> CodedSection:
    coded = _coded(job, coders, given, first or {})
    derived: Mapping[str, DerivedFound] = {}
    if job.held.quantities:
        keeper = DerivedKeeper(job, place.before)
        coded, derived = keeper.hold(block, given, coded), keeper.found
    errors: Mapping[str, ErrorRecord] = {}
    flips: Counter[str] = Counter()
    zeros: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    means: dict[str, MeanError] = {}
    for one in coded:
        errors = joined_errors(errors, one.errors)
        flips.update(one.flips)
        zeros.update(one.zeros)
        exact.update(one.exact)
        means |= {name: means.get(name, MeanError()).joined(mean) for name, mean in one.means.items()}
    return CodedSection(
        pack_block(place.number, [one.streams for one in coded], [one.digest for one in coded]),
        tuple(one.key for one in given),
        tuple(one.model for one in coded),
        block_sizes(block),
        errors,
        dict(flips),
        dict(zeros),
        means,
        derived,
        dict(exact),
        _spans_in([one.original for one in given]),
        _ends_in([one.original for one in given]),
        sum(one.original.native_size for one in given),
        sum(one.original.layout.nbytes for one in given),
    )


def _spans_in(groups: Sequence[GroupBlock]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for one in groups:
        found |= spans_of(one.block, one.layout.variables, one.tolerances)
    return found


def _ends_in(groups: Sequence[GroupBlock]) -> dict[str, Ends]:
    found = {}
    for one in groups:
        for v in one.layout.variables:
            tolerance = one.tolerances[v.name]
            if v.is_numeric and v.numpy_dtype.kind in "iuf" and tolerance.lossy and tolerance.kind != "free":
                found[v.name] = ends_of(v, values_of(one.block, v.name), tolerance.fill)
    return {name: ends for name, ends in found.items() if ends is not None}


def _coded(
    job: Job, coders: dict[GroupKey, GroupCoder], given: Sequence[PreparedBlock], first: FirstOfGroups
) -> list[CodedBlock]:
    """Encode the groups of a block, each after those from which its tolerances follow."""
    keep = bool(job.held.quantities)
    needs = [one.needs for one in given]
    if not any(needs):

        def coded_one(one: PreparedBlock) -> CodedBlock:
            encode = first[one.key] if one.key in first else lambda: _encode(job, coders, one.scaled({}))
            with threads_for(one.original.layout):
                return _without(encode(), keep=keep)

        at_once = job.learns_at_once or all(one.key in coders or one.key in first for one in given)
        sizes = [bytes_worth_threads(one.original.layout) for one in given]
        return at_a_time(coded_one, given, sizes) if at_once else [*map(coded_one, given)]
    restored: dict[str, np.ndarray] = {}
    coded: dict[int, CodedBlock] = {}
    for place in restored_first([one.original.layout for one in given], needs):
        coded[place] = _encode(job, coders, given[place].scaled(restored))
        restored |= coded[place].restored
    return [coded[place] for place in range(len(given))]


def _without(coded: CodedBlock, *, keep: bool) -> CodedBlock:
    """Leave out the restored values, unless they are needed until the block is complete."""
    return coded if keep else replace(coded, restored={})


def _encode(job: Job, coders: dict[GroupKey, GroupCoder], given: PreparedBlock) -> CodedBlock:
    """Encode a group of a block; one that is met first gets its coder now."""
    if given.key in coders:
        return coders[given.key].encode(given)
    coders[given.key], coded = start_group(job, given)
    return coded


class FileRecord:
    """What is known of all blocks; they are added in their order."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._numbers: dict[GroupKey, int] = {}
        self._blocks: list[BlockRecord] = []
        self._errors: Mapping[str, ErrorRecord] = {}
        self._flips: Counter[str] = Counter()
        self._zeros: Counter[str] = Counter()
        self._exact: Counter[str] = Counter()
        self._means: dict[str, MeanError] = {}
        self._derived: dict[str, DerivedFound] = {}
        self._spans: dict[str, Span] = {}
        self._ends: dict[str, Ends] = {}
        self._native = 0

    def add(self, coded: CodedSection) -> None:
        """Take note of the next block."""
        for key in coded.keys:
            self._numbers.setdefault(key, len(self._numbers))
        groups = tuple(self._numbers[key] for key in coded.keys)
        self._blocks.append(BlockRecord(groups, coded.models, coded.sizes))
        self._errors = joined_errors(self._errors, coded.errors)
        self._flips.update(coded.flips)
        self._zeros.update(coded.zeros)
        self._exact.update(coded.exact)
        for name, mean in coded.means.items():
            self._means[name] = self._means.get(name, MeanError()).joined(mean)
        for name, found in coded.derived.items():
            self._derived[name] = self._derived.get(name, DerivedFound()).joined(found)
        for name, span in coded.spans.items():
            self._spans[name] = joined_spans(self._spans.get(name, span), span)
        for name, ends in coded.ends.items():
            self._ends[name] = self._ends[name].joined(ends) if name in self._ends else ends
        self._native += coded.native_bytes

    def coded_file(self, coders: Mapping[GroupKey, GroupCoder]) -> CodedFile:
        """Return all that the header says of the values."""
        return CodedFile(
            _stored_groups([coders[key] for key in self._numbers], self._blocks),
            self._blocks,
            self._native,
            self._errors,
            dict(self._flips),
            dict(self._zeros),
            exact=dict(self._exact),
            spans=self._spans,
            marks=self._late_marks(),
            means=_on_average(self._job, self._means),
            derived=derived_records(self._job, self._derived),
        )

    def _late_marks(self) -> dict[str, Sentinel]:
        found = {name: ends.sentinel(self._job.schema[name]) for name, ends in self._ends.items()}
        return {name: one for name, one in found.items() if one is not None}


def _on_average(job: Job, means: Mapping[str, MeanError]) -> dict[str, float]:
    """Return the errors on average over all blocks."""
    kinds = {name: job.tolerances[name].mean for name in means}
    return {name: means[name].value(kind[0]) for name, kind in kinds.items() if kind is not None}


def _stored_groups(coders: Sequence[GroupCoder], records: Sequence[BlockRecord]) -> list[StoredGroup]:
    """Describe the groups, with the baseline of those of which it coded a block."""
    by_baseline = {
        group for record in records for group, model in zip(record.groups, record.models, strict=True) if model
    }
    return [
        StoredGroup(
            coder.layout,
            (coder.encoder, coder.baseline)
            if coder.baseline is not None and number in by_baseline
            else (coder.encoder,),
            coder.state,
            coder.section,
        )
        for number, coder in enumerate(coders)
    ]
