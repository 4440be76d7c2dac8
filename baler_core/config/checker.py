"""Turn the sections of a configuration into settings, collecting every problem on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from baler_core.config.bound_rules import parse_bounds
from baler_core.config.derived_rules import parse_derived
from baler_core.config.inputs import find_inputs, plain
from baler_core.config.schema import ConfigFile
from baler_core.config.settings import ComponentSpec, Config, PreprocessSpec
from baler_core.config.target import WITHOUT_BOUNDS, parse_target
from baler_core.config.wording import reworded
from baler_core.config.yaml_nodes import Document, KeyPath, Problem
from baler_core.data.bounds import BoundRules
from baler_core.data.derived import DerivedRule
from baler_core.data.error_bound import UNBOUNDED
from baler_core.errors import BalerError, ConfigError, nearest_names
from baler_core.plugin.hooks import Kind
from baler_core.plugin.interfaces import AutoOptions, Options, Training
from baler_core.plugin.profiles import profile_file
from baler_core.plugin.registry import Registry

NO_OPTIONS = Options()
AUTO = "auto"
"""The model that is no component: the choice among those that offer themselves for it."""


class Checker:
    """Checks one document; `problems` grows, and what is wrong is replaced by a default so that the rest is checked too."""

    def __init__(self, document: Document, registry: Registry) -> None:
        self.document = document
        self.registry = registry
        self.problems: list[Problem] = []
        self._file = ""

    def config(self, path: Path, replaced_inputs: Sequence[str]) -> Config:
        """Return the settings; valid only if `problems` is empty.

        Parameters
        ----------
        path
            The configuration file; its paths are relative to its folder.
        replaced_inputs
            Files or patterns to take instead of `input`, relative to the current directory.
        """
        self._file = str(path)
        written = self._written()
        inputs = self._replaced(replaced_inputs) if replaced_inputs else self._inputs(written.input, path.parent)
        reader, variables = self._reader(written.reader, inputs)
        output = self._output(plain(path.parent / written.output))
        return self._config(written, path, inputs, reader, variables, output)

    def settings_for(self, source: Path | None, output: Path, *, variables: Any = None) -> Config:
        """Return the settings for one file, or for objects in memory (None); valid only if `problems` is empty.

        Parameters
        ----------
        variables
            Patterns of the variables to take from objects; those of a file stand in `reader`.
        """
        written = self._written()
        inputs = () if source is None else (source,)
        reader, patterns = self._reader(written.reader, inputs)
        if source is None:
            patterns = self._patterns(variables, ("variables",))
        return self._config(written, None, inputs, reader, patterns, output.parent)

    def _config(
        self,
        written: ConfigFile,
        path: Path | None,
        inputs: tuple[Path, ...],
        reader: ComponentSpec | None,
        variables: tuple[str, ...] | None,
        output: Path,
    ) -> Config:
        entry, profile = self._split_profile(written.model, Path() if path is None else path.parent)
        model = self._component("model", entry, ("model",))
        self._loss(written.training.loss, ("training", "loss"))
        bounds = self._bounds(written.bounds, model)
        target = parse_target(written.target, bounds, self._complain)
        config = Config(
            path=path,
            inputs=inputs,
            reader=reader,
            variables=variables,
            bounds=WITHOUT_BOUNDS if target is not None and not bounds.rules else bounds,
            derived=self._derived(written.derived, path),
            preprocess=tuple(self._preprocessor(e, ("preprocess", i)) for i, e in enumerate(written.preprocess)),
            model=model,
            training=_training(written.training, Path() if path is None else path.parent),
            metrics=tuple(self._component("metric", e, ("metrics", i)) for i, e in enumerate(written.metrics)),
            output=output,
            block_bytes=written.block_size,
            plots=tuple(written.plots),
            model_storage=written.model_storage if profile is None else "reference",
            profile=profile,
            target=target,
            order=written.order,
            chunks=written.chunks,
        )
        try:
            return config if written.memory is None else config.within_memory(written.memory)
        except ConfigError as error:
            self._complain(("memory",), str(error))
            return config

    def _split_profile(self, entry: Mapping[str, Any], folder: Path) -> tuple[Mapping[str, Any], Path | None]:
        """The model without its profile, and the file of that."""
        stated = entry.get("profile")
        rest = {key: value for key, value in entry.items() if key != "profile"}
        if stated is None:
            return entry, None
        rest = rest or {"name": AUTO}
        try:
            if not isinstance(stated, str):
                raise ConfigError(f"wanted the name of a profile, or the path of one, found {stated!r}")
            return rest, profile_file(stated, folder)
        except ConfigError as error:
            self._complain(("model", "profile"), str(error))
            return rest, None

    def _complain(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.problem(path, message))

    def _written(self) -> ConfigFile:
        """The whole file by its schema. A key without a value counts as left out."""
        raw = {} if self.document.value is None else self.document.value
        if not isinstance(raw, dict):
            self._complain(
                (),
                "wanted keys and values, such as 'input: jets.csv'. If this is the data file, 'baler init FILE' writes a configuration for it",
            )
            return ConfigFile()
        raw = {key: value for key, value in raw.items() if value is not None}
        try:
            return ConfigFile.model_validate(raw)
        except ValidationError as error:
            self._add_complaints(error, ConfigFile, ())
            for complaint in error.errors():
                raw = _without(raw, complaint["loc"])
            return ConfigFile.model_validate(raw)

    def _add_complaints(
        self, error: ValidationError, schema: type[BaseModel], path: KeyPath, *, also: Sequence[str] = ()
    ) -> None:
        for complaint in error.errors():
            self._complain((*path, *complaint["loc"]), reworded(complaint, schema, also=also))

    def _inputs(self, stated: Sequence[str], folder: Path) -> tuple[Path, ...]:
        if not stated:
            if not any(problem.key.startswith("input") or not problem.key for problem in self.problems):
                self._complain(("input",), "missing: write 'input: FILE', the data to compress")
            return ()
        inputs, complaints = find_inputs(stated, folder, self.registry)
        for index, message in complaints:
            self._complain(("input", index) if ("input", index) in self.document.lines else ("input",), message)
        return inputs

    def _replaced(self, stated: Sequence[str]) -> tuple[Path, ...]:
        inputs, complaints = find_inputs(stated, Path(), self.registry)
        self.problems.extend(Problem(0, "--input", message) for _, message in complaints)
        return inputs

    def _reader(
        self, entry: Mapping[str, Any] | None, inputs: Sequence[Path]
    ) -> tuple[ComponentSpec | None, tuple[str, ...] | None]:
        """The reader, unless suffixes choose it without options; and the patterns of the variables to take."""
        options, variables = self._split_variables(entry or {}, ("reader",))
        if "name" not in options:
            names = self._readers_by_suffix(inputs)
            if not options or not names:
                return None, variables
            options["name"] = names[0]
        return self._component("reader", options, ("reader",)), variables

    def _readers_by_suffix(self, inputs: Sequence[Path]) -> list[str]:
        names = []
        for path in inputs:
            try:
                names.append(self.registry.reader_for(path))
            except BalerError as error:
                self._complain(("input",), str(error))
        return names

    def _preprocessor(self, entry: Mapping[str, Any], path: KeyPath) -> PreprocessSpec:
        options, variables = self._split_variables(entry, path)
        component = self._component("preprocessor", options, path)
        return PreprocessSpec(component.name, component.options, variables or ("*",))

    def _split_variables(
        self, entry: Mapping[str, Any], path: KeyPath
    ) -> tuple[dict[str, Any], tuple[str, ...] | None]:
        """An entry without its `variables`, and these: one pattern or a list of them."""
        rest = {key: value for key, value in entry.items() if key != "variables"}
        return rest, self._patterns(entry.get("variables"), (*path, "variables"))

    def _patterns(self, stated: Any, path: KeyPath) -> tuple[str, ...] | None:
        """One pattern or a list of them; None for none."""
        patterns = [stated] if isinstance(stated, str) else stated
        if patterns is None:
            return None
        if isinstance(patterns, list) and patterns and all(isinstance(pattern, str) for pattern in patterns):
            return tuple(patterns)
        self._complain(path, f"wanted a pattern or a list of them (numbers in quotes), found {stated!r}")
        return None

    def _component(self, kind: Kind, entry: Mapping[str, Any], path: KeyPath) -> ComponentSpec:
        """Look the name up, and check the options by the component's own `Options`."""
        options = {key: value for key, value in entry.items() if key != "name"}
        name = entry.get("name")
        if kind == "model" and "name" not in entry and options and all(_is_of_auto(key) for key in options):
            name = AUTO
        if not isinstance(name, str):
            known = ", ".join([AUTO] * (kind == "model") + self.registry.names(kind)) or "none is installed"
            self._complain((*path, "name"), f"wanted the name of a {kind} ({known}), found {name!r}")
            return ComponentSpec("", NO_OPTIONS)
        if kind == "model" and name == AUTO:
            schema: type[Options] = AutoOptions
        elif self._offered(kind, name, (*path, "name")):
            schema = self.registry.offer(kind, name).component.Options
        else:
            return ComponentSpec(name, NO_OPTIONS)
        for key in [key for key in options if key in schema.renamed]:
            self._complain((*path, key), schema.renamed[key][1])
            del options[key]
        try:
            return ComponentSpec(name, schema.model_validate(options))
        except ValidationError as error:
            also = ("variables",) if kind in ("reader", "preprocessor") else ()
            self._add_complaints(error, schema, path, also=also)
            return ComponentSpec(name, NO_OPTIONS)

    def _loss(self, stated: str | Mapping[str, Any], path: KeyPath) -> None:
        if isinstance(stated, str):
            self._offered("loss", stated, path)
        else:
            self._component("loss", stated, path)

    def _offered(self, kind: Kind, name: str, path: KeyPath) -> bool:
        try:
            self.registry.offer(kind, name)
        except BalerError as error:
            close = kind == "model" and nearest_names(name, [*self.registry.names(kind), AUTO])[:1] == [AUTO]
            self._complain(path, f"there is no model named {name!r}. Did you mean {AUTO!r}?" if close else str(error))
            return False
        return True

    def _bounds(self, stated: Any, model: ComponentSpec) -> BoundRules:
        bounds = parse_bounds(stated, lambda path, message: self._complain(("bounds", *path), message))
        unbounded: list[KeyPath] = [("bounds", pattern) for pattern, bound in bounds.rules if bound == UNBOUNDED]
        # Without a bound, only a ratio tells a model how small to become.
        known = model.name == AUTO or model.name in self.registry.offers["model"]
        has_ratio = any(getattr(model.options, key, None) is not None for key in ("latent_ratio", "ratio"))
        if unbounded and known and not has_ratio:
            self._complain(
                unbounded[0] if unbounded[0] in self.document.lines else ("bounds",),
                "'none' needs a model with a ratio, such as 'model: {name: dense_autoencoder, latent_ratio: 6}'; "
                f"the model {model.name!r} has none set",
            )
        return replace(bounds, places=self._places(bounds))

    def _places(self, bounds: BoundRules) -> dict[str, str]:
        """Where patterns stand in the file; nothing where it is no file."""
        lines = {pattern: self.document.line(("bounds", pattern)) for pattern, _ in bounds.rules}
        return {pattern: f"{self._file}:{line}" for pattern, line in lines.items() if line and self._file}

    def _derived(self, stated: Any, path: Path | None) -> tuple[DerivedRule, ...]:
        """The derived quantities, each with the place that messages about its data name."""

        def complain(inside: KeyPath, message: str) -> None:
            self._complain(("derived", *inside), message)

        rules = parse_derived(stated, self.registry.functions() if stated else {}, complain, "derived.{}")
        if path is None:
            return rules
        lines = {rule.name: self.document.line(("derived", rule.name)) for rule in rules}
        return tuple(replace(rule, where=f"{path}:{lines[rule.name]}: {rule.where}") for rule in rules)

    def _output(self, folder: Path) -> Path:
        places = (folder, *folder.absolute().parents)
        existing = next(place for place in places if place.exists() or place.is_symlink())
        if not existing.exists():
            self._complain(("output",), f"wanted a folder, but {existing} is a link that leads nowhere")
        elif not existing.is_dir():
            self._complain(("output",), f"wanted a folder, but {existing} is a file")
        return folder


def _is_of_auto(option: str) -> bool:
    """Whether an option without the name of a model is meant for the choice among models."""
    return bool(nearest_names(option, list(AutoOptions.model_fields)))


def _without(raw: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
    """A copy of nested mappings without what stands at `path`, or without the list that holds it."""
    key, rest = str(path[0]), path[1:]
    copy = {k: v for k, v in raw.items() if k != key}
    inner = raw.get(key)
    if rest and isinstance(inner, dict):
        copy[key] = _without(inner, rest)
    return copy


def _training(written: Training, folder: Path) -> Training:
    """Return the training with its folder of checkpoints wherever it works."""
    if written.checkpoints is None:
        return written
    return written.model_copy(update={"checkpoints": str((folder / written.checkpoints).absolute())})
