"""Write the networks of a trained autoencoder as ONNX, with what stands around them: from values to integers, and back."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.builtin.models.autoencoder.samples import CLIP
from baler_core.builtin.models.autoencoder.stored import StoredNetworks
from baler_core.errors import PluginError
from baler_core.machine.optional import need

if TYPE_CHECKING:
    import torch


def write_onnx(stored: StoredNetworks, model: str, folder: Path, stem: str) -> list[Path]:
    """Write `STEM.decoder.onnx` and, where its weights are known, `STEM.encoder.onnx`.

    The decoder turns `latents` (int64, whole steps, as a `.bal` file holds them) into `values` (float64, stored units); the
    encoder turns `values` into `latents`. Both take any number of samples. Weights are float32, as are the results of
    layers; baler itself decodes in float64.

    Raises
    ------
    MissingPackage
        If the packages of the extra `onnx` are not installed.
    PluginError
        If a network has a layer that ONNX does not know.
    """
    need("ONNX files", "onnx", "onnxscript")
    import torch

    _, latents = torch.zeros(2, *stored.shape), torch.zeros(2, *stored.pair.latents, dtype=torch.int64)
    written = [folder / f"{stem}.decoder.onnx"]
    _write(_decoder(stored), latents, ("latents", "values"), stored, model, written[0])
    if stored.has_encoder:
        written.append(folder / f"{stem}.encoder.onnx")
        values = torch.zeros(2, *stored.shape, dtype=torch.float64)
        _write(_encoder(stored), values, ("values", "latents"), stored, model, written[1])
    return written


def _decoder(stored: StoredNetworks) -> torch.nn.Module:
    """Whole steps to values in stored units."""
    import torch

    low, width = map(torch.from_numpy, stored.per_number())
    steps = _per_channel(stored)

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = stored.pair.decoder.float().eval()

        def forward(self, latents: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.network((latents.double() * steps).float()).double() * width + low
            return found

    return Decoder()


def _encoder(stored: StoredNetworks) -> torch.nn.Module:
    """Values in stored units to whole steps."""
    import torch

    low, width = map(torch.from_numpy, stored.per_number())
    steps = _per_channel(stored)

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = stored.pair.encoder.float().eval()

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            found = self.network(((values - low) / width).clip(-CLIP, CLIP).float())
            return torch.round(found.double() / steps).to(torch.int64)

    return Encoder()


def _per_channel(stored: StoredNetworks) -> torch.Tensor:
    import torch

    return torch.from_numpy(stored.steps).reshape(-1, *[1] * (len(stored.pair.latents) - 1))


def _write(
    network: torch.nn.Module,
    example: torch.Tensor,
    names: tuple[str, str],
    stored: StoredNetworks,
    model: str,
    path: Path,
) -> None:
    import onnx
    import torch

    count = torch.export.Dim("samples")
    try:
        with _quietly():
            made = torch.onnx.export(
                network,
                (example,),
                input_names=names[:1],
                output_names=names[1:],
                dynamic_shapes=({0: count},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = " ".join(str(error).split())[:200]
        raise PluginError(f"the networks of {model} have something that ONNX does not know: {reason}") from error
    assert made is not None
    proto = made.model_proto
    about = {"model": model, "form": stored.form, "variables": json.dumps(list(stored.names))}
    onnx.helper.set_model_props(proto, {f"baler.{key}": value for key, value in about.items()})
    path.write_bytes(proto.SerializeToString())


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what torch says of packages that nothing here needs."""
    said = logging.getLogger("torch.onnx")
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        said.setLevel(level)
