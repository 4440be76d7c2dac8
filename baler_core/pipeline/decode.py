"""A .bal file to restored blocks: header checked, components made, streams decoded, corrections applied."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import ValidationError

from baler_core.data.block import make_block
from baler_core.data.variables import Layout, Schema, counts_first, with_events
from baler_core.errors import BalerError, DataError, FormatError, MissingPackage
from baler_core.format.arrays import decode_state
from baler_core.format.container import BalReader, unpack_streams
from baler_core.format.digests import DIGEST_BYTES, block_digest, group_digest
from baler_core.format.file_info import header_of
from baler_core.format.header import BlockRecord, ComponentRecord, Header
from baler_core.machine.threads import one_thread
from baler_core.pipeline.guarantee import EXACT_STREAM, decode_corrections, restored_arrays
from baler_core.pipeline.preprocess import Pipeline, Step
from baler_core.pipeline.scaled_groups import (
    SCALED_STREAM,
    is_apart,
    needs_of,
    restored_first,
    seen_by_models,
    unscaled,
)
from baler_core.pipeline.step_stream import STEP_STREAM, decode_steps
from baler_core.pipeline.trained_lookup import Lookup, find_trained
from baler_core.plugin.interfaces import Component, Model, Preprocessor, State, Streams
from baler_core.plugin.registry import Kind, Registry, load_plugins
from baler_core.quantise.exact_zeros import ZERO_STREAM, keep_zeros_again
from baler_core.quantise.settle import SETTLE_STREAM, settle_again

if TYPE_CHECKING:
    from baler_core.data.block import Block

NOWHERE_ELSE = Lookup()


@contextmanager
def not_believed(path: Path, what: str) -> Iterator[None]:
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


def memory_limit() -> int:
    """How many bytes a single block may take: half of the machine's memory, since a header may claim anything."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return 4 << 30


def plugins_for(header: Header) -> Registry:
    """Load the plugins that a file was made with, or all where that is not plain or a component is another's by now."""
    needed: list[tuple[Kind, str, str]] = [("reader", header.reader.name, header.reader.package)]
    needed += [("preprocessor", record.component.name, record.component.package) for record in header.preprocess]
    needed += [("model", model.name, model.package) for group in header.groups for model in group.models]
    skeleton = header.schema.skeleton
    if header.reader.name == "python":
        needed.append(("object", str(skeleton.get("kind")), str(skeleton.get("package"))))
    registry = load_plugins({package for _, _, package in needed}, {kind for kind, _, _ in needed})
    offered = all(name in registry.offers[kind] for kind, name, _ in needed)
    return registry if offered and header.trained is None else load_plugins()


def make_component(kind: Kind, record: ComponentRecord, registry: Registry, path: Path) -> Component:
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
        return offer.component(offer.component.Options(**record.options))
    except MissingPackage as error:
        raise MissingPackage(f"{path}: {error}") from error
    except (ValidationError, TypeError) as error:
        raise FormatError(
            f"{path}: its options for the {kind} {record.name!r} are not understood by {offer.package} {offer.version} "
            f"(written by {record.package} {record.version}): {_first_line(error)}"
        ) from error


def _checked(needs: Collection[str], layout: Layout, restored: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return restored variables, which hold all that a group needs, in its shape.

    Raises
    ------
    FormatError
        If they do not.
    """
    for need in needs:
        shape = layout.shape(layout.variables[0])
        if need not in restored or restored[need].shape[: len(shape)] != shape:
            raise FormatError(f"it follows from {need!r}, which is not beside it")
    return restored


def _first_line(error: Exception) -> str:
    """What is wrong with options: the first complaint, in one line."""
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
    registry
        None loads the plugins that the file was made with.
    lookup
        Where to look for the trained models that the file may refer to.
    memory
        At most so many bytes may a block take; None allows half of what the machine has.

    Raises
    ------
    FormatError
        If the file is damaged, hostile or of a newer version, or the trained models it refers to are missing.
    """

    def __init__(
        self, path: Path, registry: Registry | None, lookup: Lookup = NOWHERE_ELSE, *, memory: int | None = None
    ) -> None:
        self.path = path
        self._memory = memory_limit() if memory is None else memory
        self._trained: BalReader | None = None
        self._models: dict[tuple[int, int], Model] = {}
        self._pipeline: Pipeline | None = None
        self._bal = BalReader(path)
        try:
            self.header: Header = header_of(self._bal)
            self.registry = plugins_for(self.header) if registry is None else registry
            if self.header.trained is not None:
                self._trained = BalReader(find_trained(self.header.trained, path, lookup))
        except BaseException:
            self._bal.close()
            raise

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
            parts = unpack_streams(self._bal.section(section), memory_limit=self._memory)
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
        for number, record in enumerate(self.header.blocks):
            yield self._block(number, record)

    @one_thread
    def _block(self, number: int, record: BlockRecord) -> Block:
        layouts = [self.header.layout(self.header.groups[group], record.sizes) for group in record.groups]
        limit = self._memory
        claimed = sum(layout.nbytes for layout in layouts)
        if claimed > limit:
            raise FormatError(f"{self.path}: a block claims {claimed} bytes; {limit} can be restored here (--memory)")
        packed = self._bal.section(self.header.first_block + number)
        with not_believed(self.path, "baler-core"):
            streams = unpack_streams(packed[:-DIGEST_BYTES], memory_limit=limit)
        if len(streams) != len(layouts):
            raise FormatError(f"{self.path}: a block holds {len(streams)} groups where {len(layouts)} were expected")
        restored, digests = self._groups(record, streams, layouts)
        if block_digest(number, digests) != packed[-DIGEST_BYTES:]:
            raise FormatError(
                f"{self.path}: block {number} restores to something else than was written: the file is damaged or "
                f"forged, or this machine or one of the installed packages is at fault"
            )
        return make_block({v.name: (v.dims, restored[v.name]) for layout in layouts for v in layout.variables})

    def _groups(
        self, record: BlockRecord, streams: Sequence[Streams], layouts: Sequence[Layout]
    ) -> tuple[dict[str, np.ndarray], list[bytes]]:
        """All restored variables of a block, and a digest per group; a jagged group comes after its counts."""
        arrays: dict[str, np.ndarray] = {}
        digests = [b""] * len(layouts)
        name = ""
        try:
            for place in self._order(layouts):
                layout = layouts[place]
                name = layout.name
                if layout.counts and layout.counts in arrays:
                    layout = with_events(layout, arrays[layout.counts])
                model = self.model(record.groups[place], record.models[place])
                with not_believed(self.path, f"the model {model.name!r}"):
                    restored, digests[place] = self._group(model, streams[place], layout, arrays)
                    arrays |= restored
        except (FormatError, DataError) as error:
            known = str(error).removeprefix(f"{self.path}: ")
            raise FormatError(f"{self.path}: group {name!r}: {known}") from error
        return arrays, digests

    def _order(self, layouts: Sequence[Layout]) -> list[int]:
        """Places of groups, each after its counts and after those from which its tolerances follow."""
        needs = [needs_of(layout, self.header.tolerance_of(layout)) for layout in layouts]
        if not any(needs):
            return counts_first(layouts)
        return restored_first(
            layouts, [{*needed, layout.counts} for needed, layout in zip(needs, layouts, strict=True)]
        )

    def _group(
        self, model: Model, streams: Streams, layout: Layout, before: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], bytes]:
        tolerances = decode_steps(streams.pop(STEP_STREAM, b""), layout, self.header.tolerance_of(layout))
        beside = streams.pop(SCALED_STREAM, b"")
        known = {name: tolerance.for_models for name, tolerance in tolerances.items()}
        settled = streams.pop(SETTLE_STREAM, b"")
        zeros = streams.pop(ZERO_STREAM, b"")
        stored = streams.pop(EXACT_STREAM, b"")
        corrections = decode_corrections(stored, layout)
        if needs := needs_of(layout, tolerances):
            tolerances = {name: t.knowing(_checked(needs, layout, before)) for name, t in tolerances.items()}
            known = {name: tolerance.for_models for name, tolerance in tolerances.items()}
        if is_apart(layout, tolerances):
            tolerances = {name: tolerance.among({}) for name, tolerance in tolerances.items()}
            decoded = unscaled(model.decode(streams, *seen_by_models(layout, tolerances)), layout, tolerances, beside)
        elif not self.pipeline.touches(layout):
            decoded = model.decode(streams, layout, known)
        else:
            encoded_layout = self.pipeline.encoded_layout(layout)
            decoded = model.decode(streams, encoded_layout, self.pipeline.tolerances(known))
            decoded = self.pipeline.decode(decoded, layout)
        arrays = restored_arrays(model, decoded, layout)
        settle_again(settled, arrays, layout, tolerances)
        keep_zeros_again(zeros, arrays, layout, tolerances)
        corrections.apply(arrays)
        return arrays, group_digest(arrays, layout, tolerances, stored)

    def close(self) -> None:
        """Release the file."""
        self._bal.close()
        if self._trained is not None:
            self._trained.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
