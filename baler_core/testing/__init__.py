"""Provide checks for plugin authors: components keep their contracts, at the edges and on hostile input too."""

from baler_core.testing.blocks import difficult_blocks
from baler_core.testing.edges import check_edges, edge_blocks
from baler_core.testing.hostile import check_hostile_model, check_hostile_reader, check_object_kind
from baler_core.testing.promises import check_metric, check_model, check_preprocessor, check_reader
from baler_core.testing.threads import check_threads

__all__ = [
    "check_edges",
    "check_hostile_model",
    "check_hostile_reader",
    "check_metric",
    "check_model",
    "check_object_kind",
    "check_preprocessor",
    "check_reader",
    "check_threads",
    "difficult_blocks",
    "edge_blocks",
]
