"""Implement compress_many: a list of files to a folder of `.bal` files with a manifest, by any executor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from baler_core.api.outputs import refuse_other_file, refuse_output
from baler_core.api.shared_settings import Settings, TrainSettings, configured, takes, with_known_arguments
from baler_core.config.arguments import plain_values
from baler_core.config.inputs import find_inputs, output_stems
from baler_core.errors import ConfigError
from baler_core.machine.executors import Submits
from baler_core.pipeline.many.campaign import Campaign, refuse_failed, run_campaign
from baler_core.pipeline.many.manifest import known_parts
from baler_core.pipeline.many.split import ListShare
from baler_core.plugin.registry import load_plugins


@with_known_arguments
@takes(TrainSettings, Settings)
def compress_many(
    files: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    name: str = "files",
    workers: int = 1,
    executor: Submits | None = None,
    keep_going: bool = False,
    part: tuple[int, int] | None = None,
    overwrite: bool = False,
    **settings: Unpack[Settings],
) -> Path:
    """Compress files that are not finished yet to the same bytes as `compress`, and return the path of their manifest.

    Parameters
    ----------
    files
        Paths and patterns.
    name
        Of the manifest, `NAME.balset` in the folder, for `open_set`.
    workers, executor
        How many processes work on files, 1 in this one; a script that asks for more does so under
        `if __name__ == "__main__":`. Or whatever has `submit` as `concurrent.futures` does, such as dask's
        `Client.get_executor()`; its workers must see the same paths, and have the same version of baler.
    keep_going
        Whether the others go on when a file fails.
    part
        `(3, 100)` takes the third of a hundred shares of the list.
    overwrite
        Whether files in the folder may be replaced that are no .bal files of inputs of the same name.
    settings
        As those of `compress`.

    Raises
    ------
    BalerError
        If something given cannot be used, or a file failed: with `keep_going` after all others.
    """
    campaign = _campaign(files, Path(folder), name, part, settings)
    _refuse_outputs(campaign, overwrite=overwrite)
    refuse_failed(run_campaign(campaign, workers=workers, executor=executor, keep_going=keep_going))
    return campaign.manifest


def _campaign(
    files: str | Path | Sequence[str | Path],
    folder: Path,
    name: str,
    part: tuple[int, int] | None,
    settings: Settings,
) -> Campaign:
    """Find the files that are meant, and where each goes."""
    registry = load_plugins()
    listed = [files] if isinstance(files, str | Path) else list(files)
    found, complaints = find_inputs([str(file) for file in listed], Path(), registry)
    if complaints:
        raise ConfigError(f"compress_many(files=...): {complaints[0][1]}")
    trained = settings.get("trained")
    return Campaign(
        {source: folder / f"{stem}.bal" for source, stem in output_stems(found, registry).items()},
        {key: plain_values(value) for key, value in configured(settings).items() if value is not None},
        folder,
        name,
        None if part is None else ListShare.parse(f"{part[0]}/{part[1]}"),
        None if trained is None else Path(trained),
    )


def _refuse_outputs(campaign: Campaign, *, overwrite: bool) -> None:
    """Refuse to replace what is read, or what is not of the same inputs, but for files of the manifest."""
    ours = known_parts(campaign.folder, campaign.name)  # whatever became of them since
    for source, output in campaign.files.items():
        refuse = partial(refuse_other_file, source)
        needed = [*campaign.files, campaign.model]
        refuse_output(output, needed, overwrite=overwrite or output.name in ours, refuse=refuse)
