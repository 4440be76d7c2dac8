"""Compress what appears in a folder by a trained model; notice drift, learn anew when that pays, and keep a record."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from baler_core.config import Config
from baler_core.config.inputs import split_name
from baler_core.errors import USER, BalerError
from baler_core.machine.executors import Submits
from baler_core.machine.records import dataclass
from baler_core.pipeline.compression import train
from baler_core.pipeline.many.campaign import Campaign, run_campaign
from baler_core.pipeline.many.drift import DataProfile, Drift, drift_between, profile_of
from baler_core.pipeline.many.task import FileOutcome
from baler_core.pipeline.replacing import refuse_other_name
from baler_core.pipeline.trained_lookup import checksum
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
RECORD = ".watch.jsonl"


@dataclass(frozen=True)
class WatchedFile:
    """What became of a file that appeared.

    Attributes
    ----------
    drift
        How it differs from the training data; None if it failed.
    learned
        The file of models that were learned from it for those that come; None if the old ones go on.
    """

    outcome: FileOutcome
    drift: Drift | None = None
    learned: Path | None = None


@dataclass(frozen=True)
class _Current:
    """The model in use: its file, what it was trained on, and what that took."""

    model: Path
    trained_on: Path
    profile: DataProfile


class Watcher:
    """Compresses one file after another.

    Parameters
    ----------
    base
        The settings, the folder and the name; its files are not looked at.
    model
        The file of trained models to begin with.
    trained_on
        A file that stands for the data it was trained on; it is compressed, too.
    """

    def __init__(
        self,
        base: Campaign,
        config: Config,
        registry: Registry,
        trained_on: Path,
        executor: Submits | None = None,
    ) -> None:
        assert base.model is not None
        self._base, self._config, self._registry, self._executor = base, config, registry, executor
        self.record = base.folder / f"{base.name}{RECORD}"
        known = _last_model(self.record)
        found = None if known is None else _still_there(known, base.folder)
        model, trained_on = found or (base.model, trained_on)
        self._current = self._adopted(trained_on, model, known)

    @property
    def model(self) -> Path:
        """The file of trained models in use."""
        return self._current.model

    def add(self, path: Path) -> WatchedFile:
        """Compress a file, compare it with the training data, and learn from it if the model does not suit it any more."""
        outcome = self._compressed(path, self._current.model)
        if outcome.state == "failed":
            self._write({"event": "failed", "input": str(path), "problem": outcome.problem})
            return WatchedFile(outcome)
        profile = self._profile(path, outcome)
        drift = drift_between(self._current.profile, profile)
        self._write({"event": "file", **self._described(path, outcome, drift, profile)})
        learned = self._learned(path, outcome, profile)
        return WatchedFile(outcome, drift, learned)

    def _learned(self, path: Path, outcome: FileOutcome, profile: DataProfile) -> Path | None:
        """Learn anew from a file for which that was measured to be smaller; the file itself has its own models already."""
        if outcome.compressed is None or not outcome.compressed.learned_anew:
            return None
        taken = {one.name for one in self._base.folder.glob(f"{self._base.name}.*.balm")}
        number = next(n for n in range(2, len(taken) + 3) if f"{self._base.name}.{n:03d}.balm" not in taken)
        place = self._base.folder / f"{self._base.name}.{number:03d}.balm"
        try:
            train(replace(self._config, inputs=(path,)), self._registry, output=place)
        except BalerError as error:
            logger.warning("%s: no model could be learned from it: %s", path, error)
            return None
        self._current = _Current(place, path, profile)
        self._write(self._model_line(list(outcome.compressed.learned_anew)))
        return place

    def _adopted(self, trained_on: Path, model: Path, known: Mapping[str, Any] | None) -> _Current:
        """Take a model into use, with what the training data take with it."""
        outcome = self._compressed(trained_on, model)
        if outcome.state == "failed":
            raise BalerError(outcome.problem)
        profile = self._profile(trained_on, outcome)
        before = known if known is not None and known.get("model") == model.name else {}
        if profile.corrections is None and isinstance(share := before.get("corrections"), float):
            profile = replace(profile, corrections=share)
        self._current = _Current(model, trained_on, profile)
        if not before:
            self._write(self._model_line([]))
        return self._current

    def _compressed(self, path: Path, model: Path) -> FileOutcome:
        """Compress a file into the set, unless that was done before."""
        output = self._base.folder / f"{split_name(path, self._registry)[0]}.bal"
        campaign = replace(self._base, files={path: output}, model=model)
        try:
            refuse_other_name(output, path, "rename the input, or choose another 'output:'")
            result = run_campaign(campaign, executor=self._executor, keep_going=True)
        except BalerError as error:
            return FileOutcome(path, "failed", problem=" ".join(str(error).split()), exit_code=USER)
        return result.outcomes[0]

    def _profile(self, path: Path, outcome: FileOutcome) -> DataProfile:
        assert outcome.record is not None
        return profile_of(
            path, self._base.folder / outcome.record.file, outcome.compressed, self._config, self._registry
        )

    def _described(self, path: Path, outcome: FileOutcome, drift: Drift, profile: DataProfile) -> dict[str, Any]:
        assert outcome.record is not None
        anew = outcome.compressed.learned_anew if outcome.compressed is not None else ()
        return {
            "input": str(path),
            "file": outcome.record.file,
            "state": outcome.state,
            "input_bytes": outcome.record.input_bytes,
            "file_bytes": outcome.record.file_bytes,
            "bits_per_value": profile.bits_per_value,
            "bytes_ratio": drift.bytes_ratio,
            "corrections": drift.corrections,
            "distances": dict(drift.distances),
            "drift": list(drift.said),
            "model": self._current.model.name,
            "learned_anew": list(anew),
        }

    def _model_line(self, groups: list[str]) -> dict[str, Any]:
        current = self._current
        return {
            "event": "model",
            "model": current.model.name,
            "sha256": checksum(current.model),
            "trained_on": str(current.trained_on.absolute()),
            "bits_per_value": current.profile.bits_per_value,
            "corrections": current.profile.corrections,
            "because_of": groups,
        }

    def _write(self, line: Mapping[str, Any]) -> None:
        """Add a line to the record, whole and on disk."""
        stamped = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **line}
        with self.record.open("ab") as file:
            file.write(json.dumps(stamped, ensure_ascii=True).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _last_model(record: Path) -> Mapping[str, Any] | None:
    """The line of the record that tells the model in use; a line that a crash cut short counts for nothing."""
    found = None
    for line in record.read_bytes().splitlines() if record.is_file() else ():
        with suppress(ValueError):
            read = json.loads(line)
            if isinstance(read, dict) and read.get("event") == "model":
                found = read
    return found


def _still_there(known: Mapping[str, Any], folder: Path) -> tuple[Path, Path] | None:
    """The file of models that a record names, and what it was trained on, if both are as they were."""
    model, trained_on = folder / Path(str(known.get("model"))).name, Path(str(known.get("trained_on")))
    if model.is_file() and trained_on.exists() and checksum(model) == known.get("sha256"):
        return model, trained_on
    return None


def watched(
    watcher: Watcher, complete: Callable[[], list[Path]], taken: Callable[[Path], None], wait: Callable[[], None]
) -> Iterator[WatchedFile]:
    """Yield what becomes of each file that is complete; wait, and look again, for ever."""
    while True:
        for path in complete():
            taken(path)
            yield watcher.add(path)
        wait()
