"""Code a sample of a file: what each group of variables takes, what lies beside them, and the time."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from baler_core.config import Config
from baler_core.data.block import Block
from baler_core.data.variables import Schema, Variable
from baler_core.format.container import BalReader
from baler_core.format.file_info import read_info
from baler_core.machine.records import dataclass
from baler_core.pipeline.compression import write_file
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.input import Input
from baler_core.pipeline.order_choice import free_order
from baler_core.pipeline.row_order import SortedSource
from baler_core.pipeline.sampling import sampled
from baler_core.plugin.interfaces import Tolerances
from baler_core.plugin.reading import Settled, Source
from baler_core.plugin.registry import Registry

# What a group of a block takes beside its streams: a digest, and their names.
_PER_GROUP = 24
GroupName = tuple[str, ...]
"""The variables of a group, which samples and the whole have in common."""


@dataclass(frozen=True)
class CodedGroup:
    """A group of variables of a sample.

    Attributes
    ----------
    model
        The kind that coded it.
    native, whole
        Bytes of its values in the sample, and in the file that this is a sample of.
    nbytes, state
        What these take, and what the model learned.
    """

    model: str
    native: int
    whole: int
    nbytes: float
    state: int


@dataclass(frozen=True)
class CodedSample:
    """A sample that was written.

    Attributes
    ----------
    beside
        Bytes of everything but values and what models learned, of the whole file: names, types, other parts of it.
    seconds
        Processor time.
    """

    groups: Mapping[GroupName, CodedGroup]
    beside: int
    seconds: float

    @property
    def native(self) -> int:
        """Bytes of its values."""
        return sum(group.native for group in self.groups.values())

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return self.beside + round(sum(group.nbytes + group.state for group in self.groups.values()))

    @property
    def fold(self) -> float:
        """How many times the sample the whole is."""
        return sum(group.whole for group in self.groups.values()) / max(1, self.native)


class _AsInWhole(Source):
    """A sample that keeps of its file what is not values, and whose format asks what that asks of values."""

    def __init__(self, sample: Source, whole: Source) -> None:
        self._sample, self._whole = sample, whole
        self.schema = _with_rest(sample.schema, whole.schema)
        self.warnings, self.elsewhere = whole.warnings, whole.elsewhere

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        return self._sample.read(variables, rows)

    def settle(self, tolerances: Tolerances, *, in_full: Collection[str] = ()) -> Settled:
        settled = self._whole.settle(tolerances, in_full=in_full) if in_full else self._whole.settle(tolerances)
        return Settled(_with_rest(self.schema, settled.schema), settled.tolerances)

    def move_rows(self, order: object) -> None:
        """Do nothing: the rows of the file stay where they are."""


def _with_rest(sample: Schema, whole: Schema) -> Schema:
    return replace(sample, skeleton=whole.skeleton, attachments=whole.attachments)


def sample_of_file(given: Input, nbytes: int, pieces: int) -> Input:
    """Return a sample of all variables, which keeps everything of its file that is not values."""
    found = sampled(given, frozenset(given.source.schema.names), nbytes, pieces=pieces)
    return replace(found, source=_AsInWhole(found.source, given.source))


def code_sample(config: Config, registry: Registry, sample: Input, whole: Schema) -> CodedSample:
    """Write a sample, with its rows in the order that the whole would get, and measure each group of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sample.bal"
        started = time.process_time()
        if config.order == "free":
            sample = _ordered(config, registry, sample)
        write_file(config, registry, sample, path, quiet=True)
        seconds = time.process_time() - started
        with BalFile(path, registry) as stored:
            groups, inside = _groups(stored, path, whole)
            beside = path.stat().st_size - inside
    return CodedSample(groups, beside, seconds)


def _ordered(config: Config, registry: Registry, sample: Input) -> Input:
    def write(quick: Config, part: Input, place: Path) -> int:
        return write_file(quick, registry, part, place, quiet=True).file_bytes

    order = free_order(config, registry, sample, write)
    return sample if order is None else replace(sample, source=SortedSource(sample.source, order), order=order)


def _groups(stored: BalFile, path: Path, whole: Schema) -> tuple[dict[GroupName, CodedGroup], int]:
    """Return what each group takes, and all groups together: blocks, of which streams get their share, and states."""
    header, info = stored.header, read_info(path)
    sizes = [0.0] * len(header.groups)
    for number, record in enumerate(header.blocks):
        block = stored.stored_block(number, whole=True)
        plain = [sum(map(len, block.streams(place).values())) + _PER_GROUP for place in range(len(record.groups))]
        for place, length in zip(record.groups, plain, strict=True):
            sizes[place] += info.block_bytes[number] * length / sum(plain)
    with BalReader(path) as sections:
        states = [sum(map(sections.length, group.state_sections)) for group in header.groups]
    found = {}
    for group, size, state in zip(header.groups, sizes, states, strict=True):
        names = tuple(header.schema.variables[number].name for number in group.variables)
        native, all_of_it = (sum(s.nbytes(s[name]) for name in names) for s in (header.schema, whole))
        found[names] = CodedGroup(group.models[0].name, native, all_of_it, size, state)
    return found, sum(info.block_bytes) + info.state_bytes
