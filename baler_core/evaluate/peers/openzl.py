"""OpenZL, on numbers as they are, by the smallest of a few of its graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer

if TYPE_CHECKING:
    from openzl import ext

    Graph = Callable[[ext.Compressor], ext.GraphID]

_LEVEL = 9


def _graphs() -> Mapping[str, Graph]:
    """Return those of its standard graphs that take numbers of any width; it comes with no choice among them."""
    from openzl.ext import graphs, nodes

    return {
        "compress": graphs.Compress(),
        "field_lz": graphs.FieldLz(),
        "differences": lambda compressor: nodes.DeltaInt()(compressor, graphs.FieldLz()(compressor)),
        "zigzag": lambda compressor: nodes.DeltaInt()(
            compressor, nodes.Zigzag()(compressor, graphs.Compress()(compressor))
        ),
        "bytes": lambda compressor: nodes.TransposeSplit()(compressor, graphs.Compress()(compressor)),
    }


def compress_openzl(values: np.ndarray) -> bytes:
    """Return the smallest frame of OpenZL; of numbers only."""
    from openzl import ext

    if values.dtype.kind not in "iufb" or values.dtype.itemsize > 8:
        raise NotTakenError
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)).ravel()
    bits = native.view(f"u{native.dtype.itemsize}")
    frames = []
    for graph in _graphs().values():
        compressor = ext.Compressor()
        compressor.set_parameter(ext.CParam.FormatVersion, ext.MAX_FORMAT_VERSION)
        compressor.set_parameter(ext.CParam.CompressionLevel, _LEVEL)
        compressor.select_starting_graph(graph(compressor))
        context = ext.CCtx()
        context.ref_compressor(compressor)
        frames.append(context.compress([ext.Input(ext.Type.Numeric, bits)]))
    return min(frames, key=len)


def restore_openzl(data: bytes, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of a frame."""
    from openzl import ext

    (output,) = ext.DCtx().decompress(data)
    native = np.array(output.content.as_nparray()).view(dtype.newbyteorder("="))
    return native.reshape(shape).astype(dtype, copy=False)


def _openzl(values: np.ndarray, _: Allowed) -> Coded:
    data = compress_openzl(values)
    return Coded(len(data), lambda: restore_openzl(data, values.dtype, values.shape))


OPENZL = Peer("OpenZL", _openzl, ("exact",), ("openzl",))
