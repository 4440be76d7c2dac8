"""`baler export-onnx`: the networks of a file do elsewhere what they do in baler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.cli import main

ROWS = 400
NAMES = ["energy", "mass", "pt"]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("networks")
    hidden = np.random.default_rng(4).normal(size=(2, ROWS))
    values = {"energy": hidden[0], "mass": 1e4 + hidden[0] * hidden[1], "pt": hidden[1], "n": np.arange(ROWS)}
    np.savez(folder / "t.npz", **values)  # type: ignore[arg-type]
    (folder / "c.yaml").write_text(
        "input: t.npz\nbounds: {n: lossless, '*': none}\nmodel: {name: dense_autoencoder, latent_ratio: 1.5, hidden: [8]}\n"
        "training: {epochs: 3}\noutput: out\n"
    )
    assert run("train", folder / "c.yaml", "-o", folder / "t.balm") == 0
    return folder


def test_decoder_and_encoder_do_what_the_file_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    assert run("compress", folder / "c.yaml", "--model", folder / "t.balm", "-o", folder / "t.bal") == 0
    capsys.readouterr()
    assert run("export-onnx", folder / "t.balm", "-o", folder / "networks", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["networks"]
    assert (found["variables"], found["sample_shape"], found["latents"]) == (NAMES, [3], [2])
    decoder, encoder = map(onnx.load, found["files"])
    assert {p.key: p.value for p in decoder.metadata_props}["baler.variables"] == json.dumps(NAMES)
    with np.load(folder / "t.npz") as original, baler_core.open(folder / "t.bal") as stored:
        values = np.stack([original[name] for name in NAMES], axis=1)
        restored = np.stack([np.asarray(stored[name]) for name in NAMES], axis=1)
    (latents,) = ReferenceEvaluator(encoder).run(None, {"values": values})
    (again,) = ReferenceEvaluator(decoder).run(None, {"latents": latents})
    assert (latents.dtype, latents.shape) == (np.int64, (ROWS, 2))
    assert np.abs(again - restored).max(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
    assert np.ptp(restored, axis=0).min() > 0.01


def test_convolutions_of_odd_sizes_do_the_same_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    frames, y, x = np.indices((6, 11, 9))
    fields = {"u": np.sin(x / 3 + frames) * y, "v": np.cos(y / 4 - frames)}
    how: dict[str, Any] = {"model": {"name": "conv_autoencoder", "latent_ratio": 4, "channels": [3]}, "bounds": "none"}
    baler_core.train(fields, tmp_path / "f.balm", training={"epochs": 2}, **how)
    baler_core.compress(fields, tmp_path / "f.bal", trained=tmp_path / "f.balm", **how)
    assert run("export-onnx", tmp_path / "f.balm", "-o", tmp_path / "networks", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["networks"]
    decoder, encoder = map(onnx.load, found["files"])
    with baler_core.open(tmp_path / "f.bal") as stored:
        restored = np.stack([np.asarray(stored[name]) for name in "uv"], axis=1)
    (latents,) = ReferenceEvaluator(encoder).run(None, {"values": np.stack([fields["u"], fields["v"]], axis=1)})
    (again,) = ReferenceEvaluator(decoder).run(None, {"latents": latents})
    assert again.shape == (6, 2, 11, 9)
    assert np.abs(again - restored).max() < 1e-5
    assert np.ptp(restored) > 0.01


def test_without_onnx_or_networks_it_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    assert run("export-onnx", folder / "t.balm", "-o", folder / "none") == 1
    assert "pip install 'baler-core[onnx]'" in capsys.readouterr().err
    assert not (folder / "none").exists()
    baler_core.compress({"x": np.arange(9.0)}, folder / "x.bal", bounds={"abs": 0.1})
    assert run("export-onnx", folder / "x.bal") == 1
    assert "holds no autoencoder; its models are scalar" in capsys.readouterr().err
