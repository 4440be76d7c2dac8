"""compress, train, decompress and open, for use from Python: on files, arrays and datasets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from baler_core.bounds import BoundRules, ErrorBound
from baler_core.compression import Compressed
from baler_core.compression import compress as compress_file
from baler_core.compression import train as train_models
from baler_core.config import ComponentSpec, Config, ModelStorage, PreprocessSpec
from baler_core.dataset import make_block, values_of
from baler_core.decode import BalFile
from baler_core.decompression import decompress as decompress_file
from baler_core.errors import DataError
from baler_core.interfaces import AutoOptions, Training
from baler_core.plugins import Kind, Registry, load_plugins
from baler_core.reference import Lookup

if TYPE_CHECKING:
    import xarray as xr

Stated = str | Mapping[str, Any]
Data: TypeAlias = "str | Path | np.ndarray | Mapping[str, np.ndarray] | xr.Dataset"
BLOCK_BYTES = 64 << 20


def compress(
    data: Data,
    path: str | Path,
    *,
    bounds: Stated | None = None,
    model: Stated = "auto",
    reader: Stated | None = None,
    variables: Sequence[str] | None = None,
    preprocess: Sequence[Stated] = (),
    training: Mapping[str, Any] | None = None,
    trained: str | Path | None = None,
    model_storage: ModelStorage = "inside",
    block_bytes: int = BLOCK_BYTES,
) -> Compressed:
    """Compress a file, an array, arrays by name, or a dataset into the .bal file `path`.

    Parameters
    ----------
    bounds
        As in the configuration: `{"pt": {"rel": 1e-3}, "*": "lossless"}`, or one bound for every float variable:
        `{"abs": 0.1}`. Default: floats `rel 1e-3`, everything else lossless.
    model, reader, preprocess
        A component's name, or a mapping with `name` and its options.
    trained
        A file of trained models to use where they suit.
    model_storage
        Whether the .bal file holds what they learned, or refers by `reference` to their file.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used.
    """
    registry = load_plugins()
    with _files(data) as source:
        config = _config(
            registry, source, Path(path), bounds, model, reader, variables, preprocess, training, block_bytes
        )
        chosen = Path(trained) if trained is not None else None
        config = replace(config, model_storage=model_storage)
        return compress_file(config, registry, source=source, output=Path(path), model=chosen)


def train(
    data: Data,
    path: str | Path,
    *,
    bounds: Stated | None = None,
    model: Stated = "auto",
    reader: Stated | None = None,
    variables: Sequence[str] | None = None,
    preprocess: Sequence[Stated] = (),
    training: Mapping[str, Any] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Path:
    """Train models on a file, an array, arrays by name, or a dataset, and write them to `path` for `compress(trained=...)`.

    Parameters are those of `compress`.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used.
    """
    registry = load_plugins()
    with _files(data) as source:
        config = _config(
            registry, source, Path(path), bounds, model, reader, variables, preprocess, training, block_bytes
        )
        return train_models(config, registry, output=Path(path))


def decompress(path: str | Path, output: str | Path, *, trained: str | Path | None = None) -> Path:
    """Restore a .bal file into `output`, in the format of the original.

    Parameters
    ----------
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    """
    return decompress_file(Path(path), load_plugins(), output=Path(output), lookup=_lookup(trained))


def open(path: str | Path, *, trained: str | Path | None = None) -> xr.Dataset:
    """All restored values of a .bal file as one dataset.

    Variables along a jagged dimension stay flat; the counts variable tells their events.

    Parameters
    ----------
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    """
    with BalFile(Path(path), load_plugins(), _lookup(trained)) as stored:
        parts: dict[str, list[np.ndarray]] = {}
        for block in stored.blocks():
            for name in map(str, block.variables):
                parts.setdefault(name, []).append(values_of(block, name))
        variables = {v.name: v for v in stored.header.schema.variables}
    return make_block(
        {
            name: (variables[name].dims, np.concatenate(pieces) if len(pieces) > 1 else pieces[0])
            for name, pieces in parts.items()
        }
    )


@contextmanager
def _files(data: Data) -> Iterator[Path]:
    """What the caller gave as a file."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(data) if isinstance(data, str | Path) else _stored(data, Path(folder))


def _config(
    registry: Registry,
    source: Path,
    path: Path,
    bounds: Stated | None,
    model: Stated,
    reader: Stated | None,
    variables: Sequence[str] | None,
    preprocess: Sequence[Stated],
    training: Mapping[str, Any] | None,
    block_bytes: int,
) -> Config:
    return Config(
        path=None,
        inputs=(source,),
        reader=_spec("reader", reader, registry) if reader is not None else None,
        variables=tuple(variables) if variables is not None else None,
        bounds=_rules(bounds),
        preprocess=tuple(_preprocess(step, registry) for step in preprocess),
        model=_spec("model", model, registry),
        training=Training(**(training or {})),
        metrics=(),
        output=path.parent,
        block_bytes=block_bytes,
    )


def _lookup(trained: str | Path | None) -> Lookup:
    return Lookup(Path(trained) if trained is not None else None)


def _stored(data: np.ndarray | Mapping[str, np.ndarray] | xr.Dataset, folder: Path) -> Path:
    """Arrays as a file that a reader takes."""
    if isinstance(data, np.ndarray):
        np.save(folder / "data.npy", data, allow_pickle=False)
        return folder / "data.npy"
    by_name: Mapping[Any, Any] = getattr(data, "variables", data)
    arrays = {str(name): np.asarray(values) for name, values in by_name.items()}
    if not arrays:
        raise DataError("there are no arrays to compress")
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    return folder / "data.npz"


def _rules(stated: Stated | None) -> BoundRules:
    if stated is None:
        return BoundRules()
    kinds = {"abs", "rel", "range", "bits"}
    if isinstance(stated, str) or any(key in kinds and not isinstance(b, Mapping | str) for key, b in stated.items()):
        return BoundRules((("*", ErrorBound.parse(stated)),))
    return BoundRules(tuple((pattern, ErrorBound.parse(bound)) for pattern, bound in stated.items()))


def _name_and_options(stated: Stated) -> tuple[str, dict[str, Any]]:
    if isinstance(stated, str):
        return stated, {}
    options = dict(stated)
    return str(options.pop("name")), options


def _spec(kind: Kind, stated: Stated, registry: Registry) -> ComponentSpec:
    name, options = _name_and_options(stated)
    if kind == "model" and name == "auto":
        return ComponentSpec(name, AutoOptions(**options))
    return ComponentSpec(name, registry.offer(kind, name).component.Options(**options))


def _preprocess(stated: Stated, registry: Registry) -> PreprocessSpec:
    name, options = _name_and_options(stated)
    variables = tuple(options.pop("variables", ("*",)))
    return PreprocessSpec(name, registry.preprocessor(name).Options(**options), variables)
