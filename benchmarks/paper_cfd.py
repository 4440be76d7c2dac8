"""Prints what a convolutional autoencoder makes of slices of a flow at the Baler paper's R = 88, its decoder counted.

Trains the model of a configuration and states R, R_actual (every byte of the file), what of the file is the decoder, what
gzip makes of the input, the largest error and the RMS error of each variable by its range, and what `transform` needs at
the same RMS errors. The paper's decoder of 0.6 GB made R_actual less than 1; its gzip reached 2.2.

    python examples/flow/make_input.py
    python benchmarks/paper_cfd.py examples/paper/cfd.yaml [--epochs 60] [--seeds 3]
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import baler_core
from baler_core.config import load_config
from baler_core.data.block import values_of
from baler_core.format.file_info import read_info
from baler_core.pipeline.compression import compress
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import Registry, load_plugins


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--epochs", type=int, help="instead of those of the configuration")
    parser.add_argument("--seeds", type=int, help="instead of those of the configuration; the best is stored")
    given = parser.parse_args()
    registry = load_plugins()
    config = load_config(given.config, registry)
    training = config.training.model_copy(
        update={
            "epochs": given.epochs or config.training.epochs,
            "seeds": given.seeds or config.training.seeds,
            "keep": 1,
        }
    )
    source = config.inputs[0]
    before = values(source, registry)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "network.bal"
        done = compress(replace(config, training=training), registry, source=source, output=output)
        with BalFile(output, registry) as stored:
            after = {str(n): values_of(block, str(n)) for block in stored.blocks() for n in block.variables}
        fields = [name for name, value in before.items() if value.ndim > 1]
        bounds: dict[str, dict[str, float]] = {}
        for name in fields:
            lost = after[name].astype(np.float64) - before[name]
            spread, rms = float(np.ptp(before[name])), float(np.sqrt(np.mean(np.square(lost))))
            bounds[name] = {"rms": rms}
            print(f"{name}: RMS error {rms / spread:.2e} of the range, largest {np.abs(lost).max() / spread:.2e}")
        other = baler_core.compress(source, Path(folder) / "t.bal", bounds=bounds, model="transform")
        native = sum(value.nbytes for value in before.values())
        zipped = len(gzip.compress(b"".join(value.tobytes() for value in before.values())))
        options = config.model.options
        print(
            f"R = {options.latent_ratio:g}, {training.epochs} epochs, {training.seeds} seeds: {native:,} bytes of values, file "
            f"{done.file_bytes:,} (R_actual {native / done.file_bytes:.1f}), of which decoder {read_info(output).state_bytes:,}; "
            f"gzip of the input {zipped:,} ({native / zipped:.2f}); transform at the same RMS errors {other.file_bytes:,}"
        )


def values(source: Path, registry: Registry) -> dict[str, np.ndarray]:
    """All values of a file, by variable."""
    from baler_core.config.arguments import config_of_arguments

    config = config_of_arguments("predict", {}, registry, source=source, output=Path())
    given = input_of(source, config, registry)
    with given.source:
        return {str(n): values_of(block, str(n)) for block in given.source.blocks(1 << 40) for n in block.variables}


if __name__ == "__main__":
    main()
