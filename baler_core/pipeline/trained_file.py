"""A file of trained models, and which of them knows a group of another file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from baler_core.data.variables import Layout, Variable
from baler_core.errors import DataError
from baler_core.format.header import TrainedRecord
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.preprocess import Pipeline
from baler_core.pipeline.scaled_groups import is_apart, scaled_variable
from baler_core.pipeline.trained_lookup import checksum
from baler_core.plugin.interfaces import Model, State
from baler_core.plugin.registry import Registry

_MOST_NAMED = 5


@dataclass(frozen=True)
class TrainedModel:
    """The model of one group.

    Attributes
    ----------
    state
        All that the file of trained models holds of it.
    section
        Where that lies in it.
    share
        Its bytes on the data it was trained on / those of `scalar`; None if that was not recorded.
    is_apart
        Whether it sees values in units of their own tolerances.
    """

    variables: tuple[Variable, ...]
    model: Model
    state: State
    section: int
    share: float | None
    is_apart: bool = False


@dataclass(frozen=True)
class KnownParts:
    """A group of a file, cut by what a trained model knows.

    Attributes
    ----------
    parts
        The known variables, in the order of the model, and the others, if there are any.
    is_whole
        Whether the model knows all variables, and was trained on no others.
    """

    parts: tuple[tuple[str, ...], ...]
    is_whole: bool


class TrainedModels:
    """Models and preprocessors that `train` stored.

    Raises
    ------
    FormatError
        If the file is damaged or holds no models.
    DataError
        If it needs trained models itself.
    """

    def __init__(self, path: Path, registry: Registry) -> None:
        self.path = path
        with BalFile(path, registry) as stored:
            if stored.header.trained is not None:
                raise DataError(
                    f"{path}: refers to the trained models of {stored.header.trained.name!r}: use that file"
                )
            self.pipeline: Pipeline = stored.pipeline
            self._models: list[tuple[str, TrainedModel]] = []
            shares: list[float | None] = [*stored.header.shares] or [None] * len(stored.header.groups)
            for number, group in enumerate(stored.header.groups):
                variables = tuple(stored.header.schema.variables[place] for place in group.variables)
                layout = Layout(group.kind, variables, {})
                apart = is_apart(layout, stored.header.tolerance_of(layout))
                variables = tuple(scaled_variable(v) for v in variables) if apart else variables
                model, state = stored.model(number, 0), stored.state(number, 0)
                found = TrainedModel(variables, model, state, group.state_sections[0], shares[number], apart)
                self._models.append((group.kind, found))

    def model_for(self, layout: Layout, *, fewer: bool = False) -> TrainedModel | None:
        """The model trained on a group of the same variables and dtypes, in that order; None if there is none.

        Parameters
        ----------
        fewer
            Whether the group may lack variables that a model was trained on.
        """
        wanted = _signature(layout.variables)
        for trained in self._alike(layout):
            known = _signature(trained.variables)
            if fewer and trained.model.takes_fewer and not wanted.items() - known.items():
                known = {name: dtype for name, dtype in known.items() if name in wanted}
            if list(known.items()) == list(wanted.items()):
                return trained
        return None

    def parts(self, layout: Layout, *, fewer: bool) -> KnownParts | None:
        """Cut a group into the variables that the nearest model knows, in its order, and the rest.

        Returns
        -------
        None if no model knows any, or one knows it as it is.
        """
        wanted = _signature(layout.variables)
        found: list[KnownParts] = []
        for trained in self._alike(layout):
            known = _signature(trained.variables)
            common = tuple(name for name, dtype in known.items() if wanted.get(name) == dtype)
            complete = len(common) == len(known)
            if not common or not (complete or (fewer and trained.model.takes_fewer)):
                continue
            rest = tuple(name for name in wanted if name not in common)
            found.append(KnownParts((common, rest) if rest else (common,), complete and not rest))
        best = max(found, key=lambda one: (len(one.parts[0]), one.is_whole), default=None)
        return None if best is None or (best.parts == (tuple(wanted),) and best.is_whole) else best

    def _alike(self, layout: Layout) -> list[TrainedModel]:
        """The models for groups of the same kind, in units of their own tolerances if this one is."""
        return [one for kind, one in self._models if kind == layout.kind and one.is_apart == (layout.stage > 0)]

    def difference(self, layout: Layout) -> str:
        """How a group that no model knows differs from the nearest one that it was trained on."""
        wanted = _signature(layout.variables)
        known = [_signature(model.variables) for model in self._alike(layout)]
        if not known:
            bounds = ""
            if any(kind == layout.kind for kind, _ in self._models):
                bounds = " whose bounds follow from errors or noise" if layout.stage else " with bounds of these kinds"
            return f"they hold none for a {layout.kind}{bounds}"
        near = max(known, key=lambda signature: len(wanted.keys() & signature.keys()))
        parts = [
            _named("unknown to them", [name for name in wanted if name not in near]),
            _named("missing here", [name for name in near if name not in wanted]),
            _named("of another type", [name for name in wanted if near.get(name, wanted[name]) != wanted[name]]),
        ]
        return "; ".join(part for part in parts if part) or "the variables are in another order"

    def record(self, sections: Mapping[int, int]) -> TrainedRecord:
        """What a .bal file states to refer to this file: the section of the state of each group."""
        return TrainedRecord(self.path.name, checksum(self.path), sections)


def _signature(variables: tuple[Variable, ...]) -> dict[str, str]:
    return {variable.name: variable.dtype for variable in variables}


def _named(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{what}: {', '.join(names[:_MOST_NAMED])}{more}" if names else ""
