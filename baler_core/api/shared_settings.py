"""List the settings that compress, compress_many and train share: names, defaults, meaning, and keys of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, cleandoc, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar

from baler_core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from baler_core.config import ModelStorage, RowsOrder

Stated = str | Mapping[str, Any]
BLOCK_BYTES = 64 << 20
_RULE = 10 * "-"
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])


class TrainSettings(TypedDict, total=False):
    """Settings of everything that learns models.

    Attributes
    ----------
    bounds
        As in the configuration: `{"pt": {"rel": 1e-3}, "*": "lossless"}`, or one bound for all that is measured:
        `{"abs": 0.1}`, which leaves ids, times, positions, weights and the like exact, as every pattern with wildcards
        does. A number makes it a bound; `{"abs": "lossless"}` and `{"abs": {...}}` are for a variable called abs.
        Without bounds, every value is kept exactly.
    derived
        Quantities that are computed from the variables, and how far each may move:
        `{"m": {"of": "pair_mass(Muon)", "rel": 1e-3}}`.
    model, reader, preprocess
        A component's name, or a mapping with `name` and its options.
    variables
        Patterns of the variables to take; default: all.
    training
        As in the configuration.
    block_bytes
        About how much is coded at a time.
    """

    bounds: Stated | None
    derived: Mapping[str, Mapping[str, Any]] | None
    model: Stated
    reader: Stated | None
    variables: str | Sequence[str] | None
    preprocess: Sequence[Stated]
    training: Mapping[str, Any] | None
    block_bytes: int


class Settings(TrainSettings, total=False):
    """Settings of everything that compresses.

    Attributes
    ----------
    trained
        A file of trained models to use where they suit.
    model_storage
        Whether the .bal file holds what they learned, or refers by `reference` to their file.
    target
        What the file is to reach, `{"ratio": 20}`, `{"bits": 3}`, `{"size": "2 GB"}` or `{"psnr": 80}`: all bounds are
        multiplied by the factor that this needs. `Compressed.target` tells it.
    order
        `free` declares that the order of a table's rows means nothing: they may come sorted by what makes the file
        smallest, of which a warning tells.
    chunks
        Lengths along dimensions of chunks that are restored by themselves, for files that are read in parts:
        `{"time": 1}`, `{"time": 50, "lat": 90, "lon": 90}`, `{"entry": 10000}`.
    """

    trained: str | Path | None
    model_storage: ModelStorage
    target: Mapping[str, Any] | None
    order: RowsOrder
    chunks: Mapping[str, int] | None


_DEFAULTS: Settings = {
    "bounds": None,
    "derived": None,
    "model": "auto",
    "reader": None,
    "variables": None,
    "preprocess": (),
    "training": None,
    "block_bytes": BLOCK_BYTES,
    "trained": None,
    "model_storage": "inside",
    "target": None,
    "order": "kept",
    "chunks": None,
}


def configured(settings: TrainSettings) -> dict[str, Any]:
    """Return settings by their keys in a configuration file, defaults among them; None for those that it leaves out."""
    stated: dict[str, Any] = {**_DEFAULTS, **settings}
    del stated["trained"]  # a file beside the configuration
    stated["block_size"] = stated.pop("block_bytes")
    return {**stated, "order": None if stated["order"] == "kept" else stated["order"]}


def takes(*kinds: type[Any]) -> Callable[[Function], Function]:
    """Show settings in the signature and the help of a function that takes them as `**settings`.

    Parameters
    ----------
    kinds
        The settings that it takes; the last holds the names of all.
    """

    def shown(function: Function) -> Function:
        plain = signature(function)
        own = [one for one in plain.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        default: Mapping[str, Any] = {**_DEFAULTS}
        own += [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default[name], annotation=found.__forward_arg__)
            for name, found in kinds[-1].__annotations__.items()
        ]
        settings = "\n".join(cleandoc(kind.__doc__ or "").partition(f"{_RULE}\n")[2] for kind in kinds)
        function.__signature__ = plain.replace(parameters=own)  # type: ignore[attr-defined]
        function.__doc__ = f"{cleandoc(function.__doc__ or '')}\n\nOther Parameters\n{_RULE}------\n{settings}\n"
        return function

    return shown


def with_known_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function refuse arguments that it does not know with the nearest name."""
    known = list(signature(function).parameters)

    @wraps(function)
    def checked(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        for name in named:
            if name not in known:
                raise ConfigError(f"{function.__name__}() has no argument {name!r}. {did_you_mean(name, known)}")
        return function(*given, **named)

    return checked
