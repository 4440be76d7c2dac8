"""List the names that plugins and users may import from `baler_core`; each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baler_core.api.calls import compress, decompress, export, open, train
    from baler_core.api.codec import Decoder, Encoder, decode, encode
    from baler_core.api.file import File
    from baler_core.api.file_set import FileSet, JoinedArray
    from baler_core.api.many import compress_many
    from baler_core.api.open_file import open_file, open_one, open_set
    from baler_core.api.stored_array import StoredArray
    from baler_core.builtin.models.autoencoder.model import Autoencoder, AutoencoderOptions
    from baler_core.builtin.models.autoencoder.samples import Normalisation
    from baler_core.data.block import Block, make_block, values_of
    from baler_core.data.bounds import BoundRules, Tolerance
    from baler_core.data.cf.attributes import axis_role, described, standard_name
    from baler_core.data.cf.roles import Described as CfDescribed
    from baler_core.data.cf.roles import cf_roles, conventional_attributes, fitting_axes
    from baler_core.data.cf.special_values import DEFAULT_FILL as CF_DEFAULT_FILL
    from baler_core.data.cf.special_values import Special as CfSpecial
    from baler_core.data.cf.special_values import special_values
    from baler_core.data.comparison import Pairs, is_measured, pair_values
    from baler_core.data.error_bound import ErrorBound
    from baler_core.data.formulas import Formula, evaluate_formula
    from baler_core.data.objects import Columns, Form, packed, rebuild, unpacked
    from baler_core.data.part import Part
    from baler_core.data.patterns import matching_names, unmistakable
    from baler_core.data.running_statistics import Moments, Sample
    from baler_core.data.sides import exact_number
    from baler_core.data.variables import (
        Layout,
        Role,
        Schema,
        Variable,
        decode_array,
        encode_array,
        leading_slices,
        select_names,
    )
    from baler_core.errors import (
        BalerError,
        ConfigError,
        DataError,
        FormatError,
        OutsideError,
        PluginError,
        SourceError,
        UnknownVariable,
        UnsuitedError,
        did_you_mean,
        look_up,
    )
    from baler_core.pipeline.export import ExportedFile
    from baler_core.plugin.hookspecs import hookimpl
    from baler_core.plugin.interfaces import (
        NO_HINTS,
        Estimate,
        Hints,
        Loss,
        Metric,
        MetricResult,
        Model,
        Options,
        Preprocessor,
        State,
        Streams,
        Tolerances,
        Training,
    )
    from baler_core.plugin.object_kind import ObjectKind
    from baler_core.plugin.quantity import Around, CellByCell, Cells, Quantity
    from baler_core.plugin.reading import Categories, Cut, Exported, Reader, Rounded, Settled, Sink, Source, TableColumn
    from baler_core.plugin.shown import Shown, ShownGroup, ShownVariable

# The same for Python, which imports the module of a name when that is asked for, and no other.
PLACES = {
    "baler_core.api.calls": "compress decompress export open train",
    "baler_core.api.codec": "Decoder Encoder decode encode",
    "baler_core.api.file": "File",
    "baler_core.api.file_set": "FileSet JoinedArray",
    "baler_core.api.many": "compress_many",
    "baler_core.api.open_file": "open_file open_one open_set",
    "baler_core.api.stored_array": "StoredArray",
    "baler_core.builtin.models.autoencoder.model": "Autoencoder AutoencoderOptions",
    "baler_core.builtin.models.autoencoder.samples": "Normalisation",
    "baler_core.data.block": "Block make_block values_of",
    "baler_core.data.bounds": "BoundRules Tolerance",
    "baler_core.data.cf.attributes": "axis_role described standard_name",
    "baler_core.data.cf.roles": "CfDescribed=Described cf_roles conventional_attributes fitting_axes",
    "baler_core.data.cf.special_values": "CF_DEFAULT_FILL=DEFAULT_FILL CfSpecial=Special special_values",
    "baler_core.data.comparison": "Pairs is_measured pair_values",
    "baler_core.data.error_bound": "ErrorBound",
    "baler_core.data.formulas": "Formula evaluate_formula",
    "baler_core.data.objects": "Columns Form packed rebuild unpacked",
    "baler_core.data.part": "Part",
    "baler_core.data.patterns": "matching_names unmistakable",
    "baler_core.data.running_statistics": "Moments Sample",
    "baler_core.data.sides": "exact_number",
    "baler_core.data.variables": "Layout Role Schema Variable decode_array encode_array leading_slices select_names",
    "baler_core.errors": "BalerError ConfigError DataError FormatError OutsideError PluginError SourceError UnknownVariable UnsuitedError did_you_mean look_up",
    "baler_core.pipeline.export": "ExportedFile",
    "baler_core.plugin.hookspecs": "hookimpl",
    "baler_core.plugin.interfaces": "NO_HINTS Estimate Hints Loss Metric MetricResult Model Options Preprocessor State Streams Tolerances Training",
    "baler_core.plugin.object_kind": "ObjectKind",
    "baler_core.plugin.quantity": "Around CellByCell Cells Quantity",
    "baler_core.plugin.reading": "Categories Cut Exported Reader Rounded Settled Sink Source TableColumn",
    "baler_core.plugin.shown": "Shown ShownGroup ShownVariable",
}


def exported(name: str) -> Any:
    """Return what a name stands for.

    Raises
    ------
    AttributeError
        If no such name is exported.
    """
    for module, names in PLACES.items():
        for one in names.split():
            shown, _, own = one.partition("=")
            if shown == name:
                return getattr(import_module(module), own or shown)
    raise AttributeError(f"module 'baler_core' has no attribute {name!r}")


__all__ = [
    "CF_DEFAULT_FILL",
    "NO_HINTS",
    "Around",
    "Autoencoder",
    "AutoencoderOptions",
    "BalerError",
    "Block",
    "BoundRules",
    "Categories",
    "CellByCell",
    "Cells",
    "CfDescribed",
    "CfSpecial",
    "Columns",
    "ConfigError",
    "Cut",
    "DataError",
    "Decoder",
    "Encoder",
    "ErrorBound",
    "Estimate",
    "Exported",
    "ExportedFile",
    "File",
    "FileSet",
    "Form",
    "FormatError",
    "Formula",
    "Hints",
    "JoinedArray",
    "Layout",
    "Loss",
    "Metric",
    "MetricResult",
    "Model",
    "Moments",
    "Normalisation",
    "ObjectKind",
    "Options",
    "OutsideError",
    "Pairs",
    "Part",
    "PluginError",
    "Preprocessor",
    "Quantity",
    "Reader",
    "Role",
    "Rounded",
    "Sample",
    "Schema",
    "Settled",
    "Shown",
    "ShownGroup",
    "ShownVariable",
    "Sink",
    "Source",
    "SourceError",
    "State",
    "StoredArray",
    "Streams",
    "TableColumn",
    "Tolerance",
    "Tolerances",
    "Training",
    "UnknownVariable",
    "UnsuitedError",
    "Variable",
    "axis_role",
    "cf_roles",
    "compress",
    "compress_many",
    "conventional_attributes",
    "decode",
    "decode_array",
    "decompress",
    "described",
    "did_you_mean",
    "encode",
    "encode_array",
    "evaluate_formula",
    "exact_number",
    "export",
    "fitting_axes",
    "hookimpl",
    "is_measured",
    "leading_slices",
    "look_up",
    "make_block",
    "matching_names",
    "open",
    "open_file",
    "open_one",
    "open_set",
    "packed",
    "pair_values",
    "rebuild",
    "select_names",
    "special_values",
    "standard_name",
    "train",
    "unmistakable",
    "unpacked",
    "values_of",
]
