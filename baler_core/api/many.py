"""Implement compress_many: a list of files to a folder of `.bal` files with a manifest, by any executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from baler_core.api.outputs import refuse_other_file, refuse_output
from baler_core.config.arguments import plain_values
from baler_core.config.inputs import find_inputs, split_name
from baler_core.config.settings import ModelStorage, RowsOrder
from baler_core.errors import ConfigError
from baler_core.machine.workers import Submits
from baler_core.pipeline.many.campaign import Campaign, refuse_failed, run_campaign
from baler_core.pipeline.many.manifest import known_parts
from baler_core.pipeline.many.split import ListShare
from baler_core.plugin.registry import load_plugins


def compress_many(
    files: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    name: str = "files",
    workers: int = 1,
    executor: Submits | None = None,
    keep_going: bool = False,
    part: tuple[int, int] | None = None,
    trained: str | Path | None = None,
    bounds: str | Mapping[str, Any] | None = None,
    derived: Mapping[str, Mapping[str, Any]] | None = None,
    model: str | Mapping[str, Any] = "auto",
    reader: str | Mapping[str, Any] | None = None,
    variables: str | Sequence[str] | None = None,
    preprocess: Sequence[str | Mapping[str, Any]] = (),
    training: Mapping[str, Any] | None = None,
    model_storage: ModelStorage = "inside",
    block_bytes: int = 64 << 20,
    target: Mapping[str, Any] | None = None,
    order: RowsOrder = "kept",
    overwrite: bool = False,
) -> Path:
    """Compress files into the folder, each to the same bytes as `compress` gives, but for those that are finished already.

    Parameters
    ----------
    files
        Paths and patterns.
    name
        Of the manifest, `NAME.balset` in the folder, for `open_set`.
    workers
        How many processes work on files; 1 works in this one. A script that asks for more does so under
        `if __name__ == "__main__":`.
    executor
        Whatever has `submit` as `concurrent.futures` does, such as dask's `Client.get_executor()`; its workers must see the
        same paths, and have the same version of baler.
    keep_going
        Whether the others go on when a file fails.
    part
        `(3, 100)` takes the third of a hundred shares of the list.
    bounds, derived, model, reader, variables, preprocess, training, trained, model_storage, block_bytes, target, order
        As those of `compress`.
    overwrite
        Whether files in the folder may be replaced that are no .bal files of inputs of the same name.

    Returns
    -------
    The path of the manifest.

    Raises
    ------
    BalerError
        If something given cannot be used, or a file failed: with `keep_going` after all others.
    """
    registry = load_plugins()
    listed = [files] if isinstance(files, str | Path) else list(files)
    found, complaints = find_inputs([str(file) for file in listed], Path(), registry)
    if complaints:
        raise ConfigError(f"compress_many(files=...): {complaints[0][1]}")
    stated = {
        "bounds": bounds,
        "derived": derived,
        "model": model,
        "reader": reader,
        "variables": variables,
        "preprocess": preprocess,
        "training": training,
        "model_storage": model_storage,
        "block_size": block_bytes,
        "target": target,
        "order": None if order == "kept" else order,
    }
    place = Path(folder)
    campaign = Campaign(
        {source: place / f"{split_name(source, registry)[0]}.bal" for source in found},
        {key: plain_values(value) for key, value in stated.items() if value is not None},
        place,
        name,
        None if part is None else ListShare.parse(f"{part[0]}/{part[1]}"),
        None if trained is None else Path(trained),
    )
    ours = known_parts(campaign.folder, name)  # whatever became of them since
    for source, output in campaign.files.items():
        refuse = partial(refuse_other_file, source)
        refuse_output(output, [*found, trained], overwrite=overwrite or output.name in ours, refuse=refuse)
    refuse_failed(run_campaign(campaign, workers=workers, executor=executor, keep_going=keep_going))
    return campaign.manifest
