"""compress, decompress and open, for use from Python: on files, arrays and datasets."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.bounds import BoundRules, ErrorBound
from baler_core.compression import Compressed
from baler_core.compression import compress as compress_file
from baler_core.config import ComponentSpec, Config, PreprocessSpec
from baler_core.dataset import make_block, values_of
from baler_core.decode import BalFile
from baler_core.decompression import decompress as decompress_file
from baler_core.errors import DataError
from baler_core.interfaces import AutoOptions, Training
from baler_core.plugins import Kind, Registry, load_plugins

if TYPE_CHECKING:
    import xarray as xr

Stated = str | Mapping[str, Any]


def compress(
    data: str | Path | np.ndarray | Mapping[str, np.ndarray] | xr.Dataset,
    path: str | Path,
    *,
    bounds: Stated | None = None,
    model: Stated = "auto",
    reader: Stated | None = None,
    variables: Sequence[str] | None = None,
    preprocess: Sequence[Stated] = (),
    training: Mapping[str, Any] | None = None,
    trained: str | Path | None = None,
    block_bytes: int = 64 << 20,
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
        A file of trained models to use.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used.
    """
    registry = load_plugins()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(data) if isinstance(data, str | Path) else _stored(data, Path(folder))
        config = Config(
            path=None,
            inputs=(source,),
            reader=_spec("reader", reader, registry) if reader is not None else None,
            variables=tuple(variables) if variables is not None else None,
            bounds=_rules(bounds),
            preprocess=tuple(_preprocess(step, registry) for step in preprocess),
            model=_spec("model", model, registry),
            training=Training(**(training or {})),
            metrics=(),
            output=Path(path).parent,
            block_bytes=block_bytes,
        )
        chosen = Path(trained) if trained is not None else None
        return compress_file(config, registry, source=source, output=Path(path), model=chosen)


def decompress(path: str | Path, output: str | Path) -> Path:
    """Restore a .bal file into `output`, in the format of the original."""
    return decompress_file(Path(path), load_plugins(), output=Path(output))


def open(path: str | Path) -> xr.Dataset:
    """All restored values of a .bal file as one dataset.

    Variables along a jagged dimension stay flat; the counts variable tells their events.
    """
    with BalFile(Path(path), load_plugins()) as stored:
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
    if isinstance(stated, str) or (len(stated) == 1 and set(stated) <= kinds):
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
