"""Implement compress, train, decompress and open for files and Python objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from baler_core.api.how_opened import CACHE
from baler_core.api.shared_settings import Settings, TrainSettings, configured, takes, with_known_arguments
from baler_core.machine.addresses import address_of, fetched, sent
from baler_core.machine.byte_source import Place
from baler_core.pipeline.trained_lookup import Lookup

# What compressing needs takes longer to load than opening a file: each function imports its own.
if TYPE_CHECKING:
    from baler_core.api.opening import Form
    from baler_core.config import Config
    from baler_core.machine.executors import Submits
    from baler_core.machine.in_order import Team
    from baler_core.pipeline.compressed import Compressed
    from baler_core.pipeline.export import ExportedFile
    from baler_core.pipeline.input import Input
    from baler_core.plugin.registry import Registry


@with_known_arguments
@takes(TrainSettings, Settings)
def compress(
    data: Any,
    path: str | Path,
    *,
    executor: Submits | None = None,
    overwrite: bool = False,
    **settings: Unpack[Settings],
) -> Compressed:
    """Compress a file or a Python object into the .bal file `path`.

    Parameters
    ----------
    data
        The path or address of a data file; or a numpy array (masked, structured or of text, too), a dict of arrays, an
        `xarray.Dataset` or `DataArray`, a pandas `DataFrame` or `Series`, or what a plugin takes: awkward arrays with
        `baler-root`, astropy tables with `baler-fits`.
    executor
        Whatever has `submit` as `concurrent.futures` does, whose workers encode blocks. The bytes of the file do not depend
        on it. Workers of other processes open the file themselves; what is no file is sent to them block by block.
    overwrite
        Whether a file at `path` may be replaced that is no .bal file of the same input; of an object, that is no .bal file
        of an object with variables of the same names. What is read is never replaced.
    settings
        As `Settings` of `baler_core.api.shared_settings` lists them.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used: the message names the argument, or the variable and its type; or the
        suffix of `path` is that of a data format.
    """
    from baler_core.api.outputs import refuse_compressed, refuse_other_object, refuse_output
    from baler_core.config.inputs import refuse_data_suffix
    from baler_core.machine.in_order import Team
    from baler_core.pipeline.compression import compress as compress_file
    from baler_core.plugin.registry import load_plugins

    registry, trained = load_plugins(), settings.get("trained")
    refuse_output(path, [data, trained], overwrite=overwrite, refuse=lambda to, why: refuse_compressed(to, data, why))
    refuse_data_suffix(Path(path), registry, ".bal")
    with sent(path) as output:
        config, source = _prepared("compress", data, output, settings, registry)
        if not overwrite and not isinstance(source, Path):
            refuse_other_object(Path(path), source.source.schema)
        done = compress_file(config, registry, source=source, output=output, model=_path(trained), team=Team(executor))
        return replace(done, path=Path(path))


@with_known_arguments
@takes(TrainSettings)
def train(data: Any, path: str | Path, *, overwrite: bool = False, **settings: Unpack[TrainSettings]) -> Path:
    """Train models on a file or a Python object, and write them to `path` for `compress(trained=...)`.

    Parameters are those of `compress`; without `overwrite`, only a file of trained models is replaced.

    Raises
    ------
    BalerError
        If something the caller gave cannot be used.
    """
    from baler_core.api.outputs import refuse_output
    from baler_core.config.inputs import refuse_data_suffix
    from baler_core.pipeline.compression import train as train_models
    from baler_core.pipeline.input import Input
    from baler_core.pipeline.replacing import refuse_data
    from baler_core.plugin.registry import load_plugins

    registry = load_plugins()
    refuse_output(path, [data], overwrite=overwrite, refuse=refuse_data)
    refuse_data_suffix(Path(path), registry, ".balm")
    config, source = _prepared("train", data, Path(path), settings, registry)
    given = source if isinstance(source, Input) else None
    return train_models(config, registry, output=Path(path), source=given)


@with_known_arguments
def decompress(
    path: str | Path,
    output: str | Path,
    *,
    variables: str | Sequence[str] | None = None,
    rows: tuple[int, int | None] | None = None,
    trained: str | Path | None = None,
    executor: Submits | None = None,
    overwrite: bool = False,
) -> Path:
    """Restore a .bal file into `output`, in the format of the original; Python objects become an `.npz` of their arrays.

    Parameters
    ----------
    output, overwrite
        Its suffix must be one of the format; whether a file that exists may be replaced. What is read is never replaced.
    variables, rows
        Patterns of the variables to restore, with which go the counts of jagged ones and the coordinates; and from which
        row or event of their leading dimension to which, as of a slice. None for all.
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    executor
        As of `compress`: its workers decode blocks, which this process writes; not for a part of a file.

    Raises
    ------
    BalerError
        If `output` exists, the file is damaged, there are no such variables or rows, or files of the format cannot be cut so.
    """
    from baler_core.pipeline.decompression import decompress as decompress_file
    from baler_core.pipeline.part_file import WantedPart, decompress_part

    _refuse_replacing(output, path, trained, overwrite=overwrite)
    with sent(output) as target:
        if variables is None and rows is None:
            decompress_file(Path(path), None, output=target, lookup=Lookup(_path(trained)), team=_team(executor))
        else:
            wanted = WantedPart([variables] if isinstance(variables, str) else variables, rows)
            decompress_part(Path(path), None, wanted, output=target, lookup=Lookup(_path(trained)))
    return Path(output)


@with_known_arguments
def export(
    path: str | Path,
    output: str | Path,
    *,
    extra: float = 0.0,
    trained: str | Path | None = None,
    overwrite: bool = False,
) -> ExportedFile:
    """Restore a .bal file for those who have no baler: values rounded, stored by its format's own compression.

    Values move by no more than what is left of their bounds, so that they stay within these. Often nothing is left; with
    `extra`, more is allowed, and the result says what errors may be then.

    Parameters
    ----------
    output
        Its suffix must be one of the original's format.
    extra
        What is allowed beyond the bounds, as a share of them: with 0.5, errors are at most 1.5 times the bounds.
    trained, overwrite
        As for `decompress`.

    Raises
    ------
    BalerError
        As `decompress`.
    """
    from baler_core.pipeline.export import export as export_file

    _refuse_replacing(output, path, trained, overwrite=overwrite)
    with sent(output) as target:
        done = export_file(Path(path), output=target, extra=extra, lookup=Lookup(_path(trained)))
    return replace(done, path=Path(output))


@with_known_arguments
def open(path: Place, *, as_: Form | None = None, trained: str | Path | None = None, cache: str | int = CACHE) -> Any:
    """Return what a .bal file holds, as a Python object of the kind that was compressed.

    numpy arrays and dicts of them come as an `xarray.Dataset` (an array without a name as its variable `data`) unless
    `as_="original"` asks for themselves. A data file comes as a dataset of its variables as they are stored, with units
    and, as attributes, fill values and packing; variables along a jagged dimension stay flat, and the counts variable
    tells their events. Its values are restored when they are used, and only those that are: `ds["t"][5]`. `open_file`
    gives the same without xarray.

    Parameters
    ----------
    path
        A path, an address that fsspec opens (`https://...`), the bytes of a file, or a binary file object.
    as_
        `original`: what was compressed. `xarray`: a Dataset. `numpy`: arrays by name (for numpy objects: themselves).
        `pandas`: a DataFrame.
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    cache
        How many bytes of restored values of a dataset are kept for the next question.

    Raises
    ------
    BalerError
        If the file is damaged, a plugin that it needs is missing, or it holds nothing of the form asked for.
    """
    from baler_core.api.opening import opened

    return opened(path, _path(trained), as_, cache)


def _prepared(
    function: str, data: Any, output: Path, settings: TrainSettings, registry: Registry
) -> tuple[Config, Path | Input]:
    """The settings, and the file or the object in memory that they are for."""
    from baler_core.api.given import input_of_object
    from baler_core.config.arguments import config_of_arguments

    address = address_of(data) if isinstance(data, str | Path) else None
    path = fetched(address) if address is not None else Path(data) if isinstance(data, str | Path) else None
    config = config_of_arguments(function, configured(settings), registry, source=path, output=output)
    return config, path if path is not None else input_of_object(data, config, registry)


def _refuse_replacing(output: str | Path, path: str | Path, trained: str | Path | None, *, overwrite: bool) -> None:
    """Refuse to restore a .bal file over what is needed for that, or what may not be replaced."""
    from baler_core.api.outputs import refuse_output, refuse_restored, refuse_trained

    refuse_output(output, [path, trained], overwrite=overwrite, refuse=partial(refuse_restored, Path(path)))
    refuse_trained(Path(path), output, trained)


def _team(executor: Submits | None) -> Team | None:
    """Return the workers of an executor, for the blocks of a file; None for this process alone."""
    if executor is None:
        return None
    from baler_core.machine.in_order import Team

    return Team(executor)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
