"""Encode arrays and objects to bytes in memory, and decode them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.api.given import input_of_object
from baler_core.api.shared_settings import Stated
from baler_core.config import Config
from baler_core.config.arguments import config_of_arguments
from baler_core.errors import DataError, FormatError
from baler_core.format.bare import BARE, NAME, fits, unpack_bare
from baler_core.machine.in_order import Team
from baler_core.machine.memory import memory_limit
from baler_core.pipeline.compression import compress as compress_file
from baler_core.pipeline.decode import not_believed
from baler_core.plugin.interfaces import Effort, Model
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.pipeline.bare import ArrayCoder

_UNWRITTEN = Path("encoded.bal")
# A stream of one array is one block, whatever its size.
_ONE_BLOCK = 1 << 62


def encode(
    data: Any,
    *,
    bounds: Stated | None = None,
    effort: Effort | None = None,
    model: Stated = "auto",
    trained: str | Path | None = None,
    by_reference: bool = False,
) -> bytes:
    """Return an array or another object as compressed bytes, which `decode` restores.

    A plain array of numbers takes no more than 48 bytes beyond the streams of its model. Everything else (sets, tables,
    masked arrays, text) becomes the bytes of a `.bal` file, as it does with trained models.

    Parameters
    ----------
    bounds
        As for `compress`; of a single array the bound itself, `{"abs": 0.1}`, whatever the array is.
    effort
        How much time to spend on fewer bytes: `fast`, `balanced` or `max`, the default.
    model
        A model's name, or a mapping with `name` and its options.
    trained
        A file of trained models to use where they suit.
    by_reference
        Whether the bytes refer to that file instead of holding what they use of it.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used.
    """
    registry = load_plugins()
    arguments = {**_stated(data, bounds, effort, model), "model_storage": "reference" if by_reference else None}
    config = config_of_arguments("encode", arguments, registry, source=None, output=_UNWRITTEN)
    encoded = _encoded_bare(data, config, registry) if trained is None and _is_bare(data) else None
    return _encoded_file(data, config, registry, trained) if encoded is None else encoded


def _encoded_bare(data: Any, config: Config, registry: Registry) -> bytes | None:
    """Return an array as a bare stream; None where it cannot be one."""
    from baler_core.pipeline.bare import encode_bare

    with (source := input_of_object(data, config, registry)).source:
        return encode_bare(config, registry, source)


def _encoded_file(data: Any, config: Config, registry: Registry, trained: str | Path | None) -> bytes:
    """Return the bytes of the .bal file of an object."""
    source = input_of_object(data, config, registry)
    with TemporaryDirectory() as folder:
        path = Path(folder) / _UNWRITTEN
        chosen = Path(trained) if trained is not None else None
        compress_file(config, registry, source=source, output=path, model=chosen, team=Team())
        return path.read_bytes()


def decode(data: bytes | bytearray | memoryview, *, memory: int | None = None) -> Any:
    """Return the array or object that `encode` encoded.

    Parameters
    ----------
    memory
        At most so many bytes may values take; None allows half of what there is for this process.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    data = bytes(data)
    limit = memory_limit() if memory is None else memory
    if data[: len(BARE)] == BARE:
        from baler_core.pipeline.bare import decode_bare

        with not_believed("<bytes>", "baler-core"):
            return decode_bare(data, memory_limit=limit)
    from baler_core.api.opening import opened

    return opened(data, None, "original", 0)


def decode_region(data: bytes, box: Sequence[slice], shape: tuple[int, ...]) -> np.ndarray:
    """Return a region of a plain array that `encode` encoded: what `decode` returns, cut.

    Parameters
    ----------
    box
        Along each dimension from where to where.
    shape
        That the whole array must have.

    Raises
    ------
    FormatError
        If the bytes are damaged, or the array has another shape.
    """
    from baler_core.pipeline.bare import decode_bare_region

    with not_believed("<bytes>", "baler-core"):
        return decode_bare_region(data, box, shape, memory_limit=memory_limit())


class Encoder:
    """Encodes many arrays of one dtype and rank: the model is chosen and learns from a sample, once.

    Several threads may use it at once, and copies in other processes (`pickle`). Arrays may be of other shapes than the
    sample, as at the edges of a grid.

    Parameters
    ----------
    sample
        An array like those that will come.
    bounds, effort, model
        As for `encode`. A bound relative to the range counts from each array's own.
    self_contained
        Whether what was learned is in all bytes. If not, they are fewer, and `Decoder(encoder.state)` restores them.
    trained
        A file of models that `train` learned from arrays like the sample: its model is used as it is.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used, or the trained models do not know such arrays.
    """

    def __init__(
        self,
        sample: np.ndarray,
        *,
        bounds: Stated | None = None,
        effort: Effort | None = None,
        model: Stated = "auto",
        self_contained: bool = True,
        trained: str | Path | None = None,
    ) -> None:
        if not _is_bare(sample):
            raise DataError(f"an Encoder takes plain arrays of numbers, not {_described(sample)}: use encode")
        from baler_core.pipeline.bare import array_coder

        registry = load_plugins()
        arguments = _stated(sample, bounds, effort, model)
        config = config_of_arguments("Encoder", arguments, registry, source=None, output=_UNWRITTEN)
        with (source := input_of_object(sample, config, registry)).source:
            known = None if trained is None else Path(trained)
            self._coder: ArrayCoder = array_coder(config, registry, source, known)
        self.self_contained = self_contained

    @property
    def state(self) -> bytes:
        """Return what the model learned, for a `Decoder`."""
        return self._coder.coder.state

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return self._coder.coder.encoder.name

    def encode(self, array: np.ndarray) -> bytes:
        """Return an array as bytes.

        Raises
        ------
        DataError
            If it is of another dtype or rank than the sample.
        """
        return self._coder.encode(np.asarray(array), self_contained=self.self_contained)


class Decoder:
    """Restores arrays, keeping models between them.

    Parameters
    ----------
    state
        `Encoder.state`, if the bytes do not hold it themselves.
    memory
        At most so many bytes may values take; None allows half of what there is for this process.
    """

    def __init__(self, state: bytes | None = None, *, memory: int | None = None) -> None:
        from baler_core.pipeline.bare import state_digest

        self._known = {} if state is None else {state_digest(state): state}
        self._models: dict[tuple[str, str, bytes], Model] = {}
        self._memory = memory_limit() if memory is None else memory

    def decode(self, data: bytes | bytearray | memoryview) -> np.ndarray:
        """Return the array.

        Raises
        ------
        FormatError
            If the bytes are damaged, or need another state.
        """
        from baler_core.pipeline.bare import model_of, restored

        with not_believed("<bytes>", "baler-core"):
            bare = unpack_bare(bytes(data), memory_limit=self._memory)
            state = bare.state if bare.state is not None else self._known.get(bare.state_digest)
            if state is None:
                raise FormatError("an encoded array needs what its encoder learned: give encoder.state to Decoder")
            key = bare.model, bare.effort, state
            if key not in self._models:
                self._models = {key: model_of(bare, state, self._memory)}
            return restored(bare, self._models[key])

    def __reduce__(self) -> tuple[Any, ...]:
        (state,) = self._known.values() if self._known else (None,)
        return Decoder, (state,)


def _stated(data: Any, bounds: Stated | None, effort: Effort | None, model: Stated) -> dict[str, Any]:
    """Return arguments as a configuration file states them."""
    stated: Stated = {"name": model} if isinstance(model, str) else model
    if effort is not None and isinstance(stated, Mapping):
        stated = {**stated, "effort": effort}
    named = {NAME: bounds} if bounds is not None and _is_bare(data) else bounds
    return {"bounds": named, "model": stated, "block_size": _ONE_BLOCK if _is_bare(data) else None}


def _is_bare(data: Any) -> bool:
    """Return whether an object is an array that a bare stream can hold."""
    plain = type(data) in (np.ndarray, np.memmap)
    return plain and data.dtype.kind in "biuf" and fits(data.dtype.str, data.ndim)


def _described(data: Any) -> str:
    return f"{data.dtype} of {data.ndim} dimensions" if isinstance(data, np.ndarray) else type(data).__name__
