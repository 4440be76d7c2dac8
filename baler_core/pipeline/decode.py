"""A .bal file to restored blocks: header checked, components made, streams decoded, corrections applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from baler_core.data.block import Block, make_block
from baler_core.data.variables import Layout, Schema, counts_first
from baler_core.errors import BalerError, DataError, FormatError, MissingPackage, SourceError
from baler_core.format.arrays import decode_state
from baler_core.format.blocks import StoredBlock
from baler_core.format.container import BalReader
from baler_core.format.file_info import header_of
from baler_core.format.header import BlockRecord, ComponentRecord, Header
from baler_core.format.streams import unpack_streams, unpack_together
from baler_core.machine.byte_source import ByteSource, Place
from baler_core.machine.memory import memory_limit
from baler_core.machine.threads import ahead, one_thread, own_cores
from baler_core.pipeline.group_decoder import GroupDecoder
from baler_core.pipeline.group_threads import at_a_time, bytes_worth_threads, threads_for
from baler_core.pipeline.preprocess import Pipeline, Step
from baler_core.pipeline.scaled_groups import needs_of, restored_first
from baler_core.pipeline.trained_lookup import Lookup, find_trained
from baler_core.plugin.effort import StatedEffort
from baler_core.plugin.hooks import Kind
from baler_core.plugin.interfaces import Component, Model, Preprocessor, State
from baler_core.plugin.registry import CORE, Registry, load_plugins

if TYPE_CHECKING:
    import numpy as np

# Models of the core that have an effort among their options.
_OF_AN_EFFORT = ("scalar", "predictive", "transform", "table")


NOWHERE_ELSE = Lookup()
# The size from which it is worth the threads to decode several blocks at a time.
_LARGE = 1 << 20


@contextmanager
def not_believed(path: Path | str, what: str) -> Iterator[None]:
    """Turn whatever a file makes a component raise into one sentence.

    Checksums keep accidents out; what a stranger wrote into a file, with right checksums, reaches components.

    Raises
    ------
    FormatError
        In place of any exception but the project's own, and those for which the machine is to blame.
    """
    try:
        yield
    except FormatError as error:
        known = " ".join(str(error).removeprefix(f"{path}: ").split())
        raise FormatError(f"{path}: {known}") from error
    except (BalerError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise FormatError(
            f"{path}: is damaged or forged, or {what} has a fault: it cannot be restored ({reason[:300]})"
        ) from error


def plugins_for(header: Header) -> Registry:
    """Load the plugins that a file was made with, or all where that is not plain or a component is another's by now."""
    needed: list[tuple[Kind, str, str]] = [("reader", header.reader.name, header.reader.package)]
    needed += [("preprocessor", record.component.name, record.component.package) for record in header.preprocess]
    needed += [("model", model.name, model.package) for group in header.groups for model in group.models]
    skeleton = header.schema.skeleton
    if header.reader.name == "python":
        needed.append(("object", str(skeleton.get("kind")), str(skeleton.get("package"))))
    core = [(kind, name) for kind, name, package in dict.fromkeys(needed) if package == CORE]
    registry = load_plugins({package for _, _, package in needed}, {kind for kind, _, _ in needed}, core)
    offered = all(name in registry.offers[kind] for kind, name, _ in needed)
    return registry if offered and header.trained is None else load_plugins()


def make_component(kind: Kind, record: ComponentRecord, registry: Registry, path: Path | str) -> Component:
    """The component a file names, with its options.

    Raises
    ------
    PluginError
        If it is not installed here; the message names the package.
    MissingPackage
        If it needs a package that is not installed.
    FormatError
        If its options are not understood.
    """
    offer = registry.offer(kind, record.name, package=record.package)
    try:
        if offer.package == CORE and not record.options:
            return offer.component()  # default options are made when asked for
        if offer.package == CORE and record.name in _OF_AN_EFFORT and (effort := StatedEffort.of(record.options)):
            return offer.component(effort)
        return offer.component(offer.component.Options(**record.options))
    except MissingPackage as error:
        raise MissingPackage(f"{path}: {error}") from error
    except (ValueError, TypeError) as error:  # the ValueError is one of pydantic
        raise FormatError(
            f"{path}: its options for the {kind} {record.name!r} are not understood by {offer.package} {offer.version} "
            f"(written by {record.package} {record.version}): {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    """What is wrong with options: the first complaint, in one line."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        complaint = error.errors()[0]
        return f"{'.'.join(map(str, complaint['loc']))}: {complaint['msg']}"
    return " ".join(str(error).split())


def _state(stored: BalReader, section: int, memory: int) -> State:
    return decode_state(stored.section(section), memory_limit=memory // 8)


class BalFile:
    """An open .bal file whose blocks can be restored one by one.

    Parameters
    ----------
    place
        A path, an address, bytes, or a binary file object.
    registry
        None loads the plugins that the file was made with.
    lookup
        Where to look for the trained models that the file may refer to.
    memory
        At most so many bytes may a block take; None allows half of what there is for this process.

    Raises
    ------
    FormatError
        If the file is damaged, hostile or of a newer version, or the trained models it refers to are missing.
    """

    def __init__(
        self,
        place: Place | ByteSource,
        registry: Registry | None,
        lookup: Lookup = NOWHERE_ELSE,
        *,
        memory: int | None = None,
    ) -> None:
        self._memory = memory_limit() if memory is None else memory
        self._trained: BalReader | None = None
        self._models: dict[tuple[int, int], Model] = {}
        self._pipeline: Pipeline | None = None
        self.closed = False
        self._bal = BalReader(place)
        self.path = self._bal.path
        try:
            self.header: Header = header_of(self._bal)
            self.registry = plugins_for(self.header) if registry is None else registry
            if self.header.trained is not None:
                self._trained = BalReader(find_trained(self.header.trained, self.path, lookup))
        except BaseException:
            self._bal.close()
            raise

    @property
    def source(self) -> ByteSource:
        """Where its bytes lie."""
        return self._bal.source

    @property
    def fingerprint(self) -> tuple[int, ...]:
        """What tells it from another file in the same place."""
        return self._bal.fingerprint

    def schema(self) -> Schema:
        """The schema with its attachments, which are read now.

        Raises
        ------
        FormatError
            If they are damaged, or take more memory than there is.
        """
        section = self.header.attachments_section
        if section is None:
            return self.header.schema
        with not_believed(self.path, "baler-core"):
            unpack = unpack_together if self._bal.version == 1 else unpack_streams
            parts = unpack(self._bal.section(section), memory_limit=self._memory)
        if len(parts) != 1:
            raise FormatError(f"{self.path}: is damaged: its attachments are not together")
        return replace(self.header.schema, attachments=parts[0])

    @property
    def pipeline(self) -> Pipeline:
        """The preprocessors, with their states."""
        if self._pipeline is None:
            steps = []
            for record in self.header.preprocess:
                preprocessor = make_component("preprocessor", record.component, self.registry, self.path)
                assert isinstance(preprocessor, Preprocessor)
                with not_believed(self.path, f"the preprocessor {record.component.name!r}"):
                    preprocessor.load_state(_state(self._bal, record.state_section, self._memory))
                steps.append(Step(preprocessor, record.variables))
            pairs = zip(self.header.schema.names, self.header.tolerances, strict=bool(steps))
            exact = [name for name, tolerance in pairs if not tolerance.lossy or tolerance.kind == "each"]
            self._pipeline = Pipeline(steps, exact)
        return self._pipeline

    def model(self, group: int, number: int) -> Model:
        """A group's model, with its state."""
        if (group, number) not in self._models:
            record = self.header.groups[group]
            model = make_component("model", record.models[number], self.registry, self.path)
            assert isinstance(model, Model)
            with not_believed(self.path, f"the model {model.name!r}"):
                model.load_state(self.state(group, number))
            self._models[group, number] = model
        return self._models[group, number]

    def state(self, group: int, number: int) -> State:
        """What a group's model learned, from this file or from the one that it refers to."""
        trained = self.header.trained
        if self._trained is not None and trained is not None and number == 0 and group in trained.sections:
            return _state(self._trained, trained.sections[group], self._memory)
        return _state(self._bal, self.header.groups[group].state_sections[number], self._memory)

    def blocks(self) -> Iterator[Block]:
        """The restored blocks, in the order and cut of the original's.

        Raises
        ------
        FormatError
            If a block is damaged or would take more memory than there is.
        """
        yield from ahead(self.block, range(len(self.header.blocks)), self._at_once())

    def _at_once(self) -> int:
        """How many blocks to decode at a time: large ones, as many as there are cores, that fit into memory with the one in use."""
        claimed = (sum(layout.nbytes for layout in self.layouts(number)) for number in range(len(self.header.blocks)))
        largest = max(claimed, default=0)
        return 1 if largest < _LARGE else min(own_cores(), self._memory // largest - 1)

    @one_thread
    def block(self, number: int) -> Block:
        """Restore a block, every group of it."""
        record = self.header.blocks[number]
        layouts = self.layouts(number)
        self.refuse_more_than_memory(layouts)
        stored = self.stored_block(number, whole=True)
        restored, digests = self._groups(record, stored, layouts)
        if not stored.all_agree(digests):
            raise self.differs(number)
        return make_block({v.name: (v.dims, restored[v.name]) for layout in layouts for v in layout.variables})

    def layout(self, number: int, place: int) -> Layout:
        """The layout of a group of a block, by its place there."""
        record = self.header.blocks[number]
        return self.header.layout(self.header.groups[record.groups[place]], record.sizes)

    def layouts(self, number: int) -> list[Layout]:
        """The layouts of a block's groups."""
        return [self.layout(number, place) for place in range(len(self.header.blocks[number].groups))]

    def refuse_more_than_memory(self, layouts: Sequence[Layout]) -> None:
        """Refuse to restore groups that would take more memory than there is."""
        claimed = sum(layout.nbytes for layout in layouts)
        if claimed > self._memory:
            raise FormatError(
                f"{self.path}: a block claims {claimed} bytes; {self._memory} can be restored here (--memory)"
            )

    def stored_block(self, number: int, *, whole: bool = False) -> StoredBlock:
        """A block whose streams have not been read yet, but for their index."""
        count, section = len(self.header.blocks[number].groups), self.header.first_block + number
        with not_believed(self.path, "baler-core"):
            return StoredBlock(self._bal, number, section, count, memory_limit=self._memory, whole=whole)

    def differs(self, number: int) -> FormatError:
        """The error of a block that is not what was written."""
        return FormatError(
            f"{self.path}: block {number} restores to something else than was written: the file is damaged or "
            f"forged, or this machine or one of the installed packages is at fault"
        )

    def _groups(
        self, record: BlockRecord, stored: StoredBlock, layouts: Sequence[Layout]
    ) -> tuple[dict[str, np.ndarray], list[bytes]]:
        """All restored variables of a block, and a digest per group; a jagged group comes after its counts."""
        arrays: dict[str, np.ndarray] = {}
        digests = [b""] * len(layouts)

        def decoded(place: int) -> tuple[int, dict[str, np.ndarray], bytes]:
            model = self.model(record.groups[place], record.models[place])
            with self.naming(layouts[place], model), threads_for(layouts[place]):
                return place, *self.decoder.whole(model, stored.streams(place), layouts[place], arrays)

        for places in self._at_a_time(layouts):
            for place, restored, digest in at_a_time(
                decoded, places, [bytes_worth_threads(layouts[place]) for place in places]
            ):
                digests[place] = digest
                arrays |= restored
        return arrays, digests

    def _at_a_time(self, layouts: Sequence[Layout]) -> Iterator[list[int]]:
        """Yield places of groups that need nothing of each other, in an order in which what they need comes before."""
        places: list[int] = []
        coming: set[str] = set()
        for place in self.order(layouts):
            layout = layouts[place]
            if coming & {*needs_of(layout, self.header.tolerance_of(layout)), layout.counts}:
                yield places
                places, coming = [], set()
            places.append(place)
            coming |= {variable.name for variable in layout.variables}
        yield places

    @contextmanager
    def naming(self, layout: Layout, model: Model) -> Iterator[None]:
        """Name the group in whatever decoding it raises."""
        try:
            with not_believed(self.path, f"the model {model.name!r}"):
                yield
        except SourceError:
            raise
        except (FormatError, DataError) as error:
            known = str(error).removeprefix(f"{self.path}: ")
            raise FormatError(f"{self.path}: group {layout.name!r}: {known}") from error

    @property
    def decoder(self) -> GroupDecoder:
        """What decodes groups."""
        return GroupDecoder(self.header.tolerance_of, self.pipeline)

    def order(self, layouts: Sequence[Layout]) -> list[int]:
        """Places of groups, each after its counts and after those from which its tolerances follow."""
        needs = [needs_of(layout, self.header.tolerance_of(layout)) for layout in layouts]
        try:
            if not any(needs):
                return counts_first(layouts)
            return restored_first(
                layouts, [{*needed, layout.counts} for needed, layout in zip(needs, layouts, strict=True)]
            )
        except (FormatError, DataError) as error:
            raise FormatError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Release the file."""
        self.closed = True
        self._bal.close()
        if self._trained is not None:
            self._trained.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
