"""The blocks of a file, encoded here one after the other, or by workers that open the file themselves; in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain

from baler_core.data.block import Block, values_of
from baler_core.data.variables import Schema, Variable, leading_groups
from baler_core.errors import ConfigError
from baler_core.machine.handles import Handles
from baler_core.machine.in_order import Call, Team
from baler_core.machine.memory import memory_limit
from baler_core.machine.records import dataclass
from baler_core.machine.threads import Threads, one_thread, own_cores
from baler_core.pipeline.block_coding import BlockPlace, CodedSection, NewGroup, begin_block, code_block, code_known
from baler_core.pipeline.group_coder import GroupCoder
from baler_core.pipeline.group_threads import at_a_time
from baler_core.pipeline.input import Blocks, Input, InputPlace
from baler_core.pipeline.job import GroupKey, Job
from baler_core.plugin.hooks import Kind
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import Registry, load_plugins
from baler_core.plugin.version import __version__

_LARGE = 1 << 20
"""Bytes of blocks that are worth a thread each."""


@dataclass(frozen=True)
class OpenInput:
    """What a worker has of a file: itself, unless blocks are sent, and the plugins."""

    source: Source | None
    registry: Registry

    def close(self) -> None:
        """Release the file."""
        if self.source is not None:
            self.source.close()


@dataclass(frozen=True)
class InputOpener:
    """Opens a file in a worker, where it must be the same, read by the same packages.

    Attributes
    ----------
    packages
        Versions of the packages of the components that are used.
    """

    place: InputPlace | None
    packages: Mapping[str, str]

    def __call__(self) -> OpenInput:
        registry = load_plugins(self.packages)
        here = {plugin.package: plugin.version for plugin in registry.plugins} | {"baler-core": __version__}
        for package, version in self.packages.items():
            if here.get(package) != version:
                found = f"{package} {here[package]}" if package in here else f"no {package}"
                raise ConfigError(
                    f"a worker has {found}, and the run was started with {package} {version}: install one"
                )
        return OpenInput(None if self.place is None else self.place.open(), registry)


@dataclass(frozen=True)
class OpenerHere:
    """Opens a file once more for a thread of this process."""

    place: InputPlace | None
    registry: Registry

    def __call__(self) -> OpenInput:
        return OpenInput(None if self.place is None else self.place.open(), self.registry)


@dataclass(frozen=True)
class EncodingPlan:
    """All that was found out and learned of a file, as workers need it.

    Attributes
    ----------
    bare
        The job without plugins, blocks and trained models, and of the schema without what only the header needs.
    coders
        Of every group in the blocks that they get.
    """

    handles: Handles[OpenInput]
    bare: Job
    coders: Mapping[GroupKey, GroupCoder]

    def job(self, registry: Registry) -> Job:
        """Return what blocks are encoded by; it reads none."""
        return replace(self.bare, registry=registry)


class _NoBlocks(Blocks):
    """The schema of a file alone."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.left_out = self.elsewhere = ()
        self.kept = None

    def __iter__(self) -> Iterator[Block]:
        return iter(())


@dataclass(frozen=True)
class BlockRows:
    """The rows of a block in its file, all variables of a leading dimension."""

    dim: str | None
    rows: slice

    def read(self, source: Source) -> Block:
        """Read them."""
        return source.read(leading_groups(source.schema)[self.dim], self.rows)


@one_thread
def encode_by_plan(plan: EncodingPlan, place: BlockPlace, given: Block | BlockRows) -> CodedSection | None:
    """Encode a block of a file in a worker; None if the plan does not know a group of it.

    Parameters
    ----------
    given
        The block, or where to read it.
    """
    with plan.handles.lent() as opened:
        if isinstance(given, BlockRows):
            assert opened.source is not None
            given = given.read(opened.source)
        try:
            return code_known(plan.job(opened.registry), plan.coders, given, place)
        except NewGroup:
            return None


def coded_here(job: Job, coders: dict[GroupKey, GroupCoder]) -> Iterator[CodedSection]:
    """Encode block after block in this process; those of a small file, which lead along several dimensions, at once."""
    placed = _placed(job)
    first = next(placed, None)
    if first is None:
        return
    if not job.learns_at_once or job.held.quantities:
        for pair in chain((first,), placed):
            yield code_block(job, coders, *pair)
        return
    pairs = [first, *placed]
    sizes = [sum(values_of(block, name).nbytes for name in block.variables) for block, _ in pairs]
    yield from at_a_time(lambda pair: code_block(job, coders, *pair), pairs, sizes)


def _placed(job: Job) -> Iterator[tuple[Block, BlockPlace]]:
    """Yield each block and its place."""
    place = BlockPlace(0)
    for block in job.blocks:
        yield block, place
        place = place.next(block, job)


def coded_by_team(job: Job, coders: dict[GroupKey, GroupCoder], given: Input, team: Team) -> Iterator[CodedSection]:
    """Choose and learn the models of each group here, on its first block, and have workers encode the others meanwhile.

    Raises
    ------
    SourceError
        If a worker is lost at the same block again and again.
    """
    plan = job.blocks.plan()
    threads = _threads_for(job, plan) if team.executor is None else 0
    if threads == 1 or len(plan) == len({dim for dim, _, _ in plan}):
        yield from coded_here(job, coders)
        return
    with Threads(threads, len(plan) - 1) if threads else nullcontext() as pool:
        working = team if pool is None else Team(pool)
        by_threads = isinstance(working.executor, Threads | ThreadPoolExecutor)
        spread = _SpreadBlocks(job, coders, given, by_threads=by_threads)
        try:
            for call in working.window.taken(spread.calls()):
                yield spread.coded(call)
        finally:
            spread.close()


def _threads_for(job: Job, plan: Sequence[tuple[str | None, list[Variable], slice]]) -> int:
    """Return how many blocks this process encodes at once beside the first: as cores, large blocks and memory allow."""
    sizes = [
        sum(job.schema.nbytes(v) // max(1, job.schema.sizes[dim]) * (rows.stop - rows.start) for v in variables)
        for dim, variables, rows in plan
        if dim is not None
    ]
    largest = max(sizes, default=0)
    if largest < _LARGE:
        return 1
    return max(1, min(own_cores(), len(sizes) - 1, job.config.blocks_within(memory_limit(), largest) - 1))


class _SpreadBlocks:
    """The blocks of a file as calls for workers."""

    def __init__(self, job: Job, coders: dict[GroupKey, GroupCoder], given: Input, *, by_threads: bool) -> None:
        self._job, self._coders, self._given, self._by_threads = job, coders, given, by_threads
        source = given.source
        opened_there = source.reads_any_rows and source.opens_fast and (source.reads_in_threads or not by_threads)
        self._sends = given.place is None or not opened_there
        self._handles: Handles[OpenInput] | None = None

    def calls(self) -> Iterator[Call]:
        """Yield a call for each block, in order; of those that teach something of a group this process has learned it."""
        met: set[tuple[str, ...]] = set()
        plan: EncodingPlan | None = None
        for place, names, given in self._sent() if self._sends else self._read_there():
            what = f"{self._given.name}: block {place.number + 1}"
            if names in met and plan is not None:
                yield Call(what, encode_by_plan, (plan, place, given))
                continue
            met.add(names)
            yield Call(what, begin_block(self._job, self._coders, self._block(given), place), here=True)
            plan = self._plan()

    def coded(self, call: Call) -> CodedSection:
        """Return what a call gave; a block whose groups are new after all is encoded here."""
        if call.result is not None:
            return call.result
        _, place, given = call.arguments
        return self._here(place, given)

    def close(self) -> None:
        """Close what was opened for threads of this process."""
        if self._handles is not None:
            self._handles.close()

    def _sent(self) -> Iterator[tuple[BlockPlace, tuple[str, ...], Block]]:
        yield from ((place, tuple(block.variables), block) for block, place in _placed(self._job))

    def _read_there(self) -> Iterator[tuple[BlockPlace, tuple[str, ...], BlockRows]]:
        for number, (dim, variables, rows) in enumerate(self._job.blocks.plan()):
            before = {} if dim is None else {dim: rows.start}
            yield BlockPlace(number, before), tuple(v.name for v in variables), BlockRows(dim, rows)

    def _here(self, place: BlockPlace, given: Block | BlockRows) -> CodedSection:
        return code_block(self._job, self._coders, self._block(given), place)

    def _block(self, given: Block | BlockRows) -> Block:
        return given.read(self._given.source) if isinstance(given, BlockRows) else given

    def _plan(self) -> EncodingPlan:
        """Return what is known by now."""
        job = self._job
        if self._handles is None:
            place = None if self._sends else self._given.place
            opener: Callable[[], OpenInput]
            opener = OpenerHere(place, job.registry) if self._by_threads else InputOpener(place, self._packages())
            self._handles = Handles(opener)
        blocks = _NoBlocks(replace(job.schema, skeleton={}, attachments={}))
        bare = replace(job, registry=Registry(), blocks=blocks, trained=None)
        return EncodingPlan(self._handles, bare, dict(self._coders))

    def _packages(self) -> dict[str, str]:
        """Return the versions of the packages whose components workers use."""
        registry = self._job.registry
        used: list[tuple[Kind, str]] = [("model", coder.encoder.name) for coder in self._coders.values()]
        used += [("preprocessor", step.preprocessor.name) for step in self._job.pipeline.steps]
        used += [("reader", self._given.reader.name)] if self._given.place is not None else []
        offers = [registry.offer(kind, name) for kind, name in used]
        return {"baler-core": __version__, **{offer.package: offer.version for offer in offers}}
