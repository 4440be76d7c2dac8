"""Define the keys of a configuration file, their types and defaults; `checker` checks the names in them."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from baler_core.config.settings import ModelStorage, RowsOrder
from baler_core.plugin.interfaces import Training

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def _one_or_many(value: object) -> object:
    """A single text stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _named_options(value: object) -> object:
    """`scalar` stands for `{name: scalar}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise ValueError("wanted a name, or a mapping {name: ..., option: value}")
    return value


def parse_size(value: object) -> object:
    """Return bytes from a number or a text such as `64 MB` (powers of 1000) or `64 MiB` (powers of 1024)."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]*)?)\s*([kKmMgG]?[iI]?[bB])\s*", value)
    if match is None:
        raise ValueError("wanted a size such as 64 MB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


Texts: TypeAlias = Annotated[list[str], BeforeValidator(_one_or_many)]
NamedOptions: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_named_options)]
Size: TypeAlias = Annotated[int, BeforeValidator(parse_size), Field(ge=1000)]


class ConfigFile(BaseModel):
    """A configuration as written. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Texts = Field(
        default=[],
        description="The data: a file, a list of files, or a pattern such as `run*.root`; relative to the "
        "configuration file. Required.",
    )
    reader: NamedOptions | None = Field(
        default=None,
        description="Name of the reader, or a mapping with its options. `variables` lists patterns of the variables to "
        "take (default: all). Without a name, the file's suffix decides.",
    )
    bounds: Any = Field(
        default=None,
        description="The allowed error of each variable. Without it, every value is kept exactly.",
    )
    target: Any = Field(
        default=None,
        description="What the file is to reach, `{ratio: 20}`, `{bits: 3}`, `{size: 2 GB}` or `{psnr: 80}`: all bounds are "
        "multiplied by the factor that this needs.",
    )
    derived: Any = Field(
        default=None,
        description="Quantities computed from the variables, and how far each may move: "
        '`{m: {of: "pair_mass(Muon)", rel: 1.0e-3}}`.',
    )
    order: RowsOrder = Field(
        default="kept",
        description="Whether the order of a table's rows is `kept`, or `free`: it means nothing, and rows may be sorted by "
        "what makes the file smallest.",
    )
    preprocess: list[NamedOptions] = Field(
        default=[],
        description="Reversible changes of variables before the model, in order: `name`, `variables` (patterns; default: all) and "
        "options.",
    )
    model: NamedOptions = Field(
        default={"name": "auto"},
        description="Name of the model, or a mapping with its options. `auto` takes the model that needs the fewest "
        "bytes, for each group of variables; it is meant where there is no name: `{effort: fast}`. `profile` names a "
        "[profile](train_once.md#profiles) that files refer to.",
    )
    model_storage: ModelStorage = Field(
        default="inside",
        description="Where `.bal` files made with a trained model (`baler compress --model`) keep the model: `inside` "
        "each file, or by `reference` to the model file, which is then needed to restore them.",
    )
    training: Training = Field(default=Training(), description="How models that learn are trained.")
    metrics: list[NamedOptions] = Field(
        default=[{"name": "residual"}, {"name": "response"}],
        description="Names of the metrics that the evaluation computes besides the largest error.",
    )
    plots: Texts = Field(
        default=["*"],
        description="Patterns of the variables that the report draws; `[]` draws none. A pattern that matches nothing is warned of.",
    )
    output: str = Field(
        default="results",
        description="Folder for all output; relative to the configuration file.",
    )
    block_size: Size = Field(
        default=64_000_000,
        description="Approximate amount of data coded at a time: a number of bytes, or a text such as `64 MB`.",
    )
    chunks: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="Lengths along dimensions of chunks that are restored by themselves, `{time: 1}` or "
        "`{time: 50, lat: 90, lon: 90}`, for files that are read in parts; a dimension that is left out is not cut.",
    )
    memory: Size | None = Field(
        default=None,
        description="About the most that a process may take, such as `1 GB`: blocks are smaller than `block_size` says, and "
        "models learn from fewer rows, where they would need more.",
    )
