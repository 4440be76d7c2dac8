"""Take the trained networks out of a file, and write them for programs that know nothing of baler."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from baler_core.builtin.models.autoencoder.model import Autoencoder
from baler_core.builtin.models.autoencoder.onnx_files import write_onnx
from baler_core.builtin.models.autoencoder.stored import StoredNetworks
from baler_core.errors import DataError
from baler_core.machine.optional import need
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.trained_lookup import Lookup


@dataclass(frozen=True)
class ExportedNetworks:
    """The files of one autoencoder.

    Attributes
    ----------
    variables
        Of which a sample consists, in this order.
    shape, latents
        Of one sample, and of its latents.
    has_encoder
        Whether the encoder is among the files.
    """

    files: tuple[Path, ...]
    variables: tuple[str, ...]
    shape: tuple[int, ...]
    latents: tuple[int, ...]
    has_encoder: bool


def export_networks(file: Path, folder: Path, lookup: Lookup) -> list[ExportedNetworks]:
    """Write the autoencoders of a file as ONNX into a new folder.

    Raises
    ------
    DataError
        If the file holds none.
    MissingPackage
        If the packages of the extra `onnx` are not installed.
    """
    with BalFile(file, None, lookup) as stored:
        found = list(_networks(stored))
        if not found:
            names = sorted({record.name for group in stored.header.groups for record in group.models})
            raise DataError(f"{file}: holds no autoencoder; its models are {', '.join(names) or 'none'}")
    need("ONNX files", "onnx", "onnxscript")
    written = []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".baler-") as room:
        for number, (name, networks) in enumerate(found):
            stem = name if len(found) == 1 else f"{name}.{number + 1}"
            files = tuple(folder / path.name for path in write_onnx(networks, name, Path(room), stem))
            shapes = networks.shape, networks.pair.latents
            written.append(ExportedNetworks(files, networks.names, *shapes, networks.has_encoder))
        shutil.copytree(room, folder)
    return written


def _networks(stored: BalFile) -> Iterator[tuple[str, StoredNetworks]]:
    """Yield the autoencoders of a file: the name of the model, and its networks."""
    header = stored.header
    tolerances = dict(zip(header.schema.names, header.tolerances, strict=True))
    for number, group in enumerate(header.groups):
        layout = stored.pipeline.encoded_layout(header.layout(group, header.schema.sizes))
        own = {variable.name: tolerances[variable.name] for variable in layout.variables}
        for place in range(len(group.models)):
            model = stored.model(number, place)
            networks = model.stored_networks(layout, own) if isinstance(model, Autoencoder) else None
            if networks is not None:
                yield model.name, networks
