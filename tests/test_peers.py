"""`baler compare`: other compressors at the same bounds, judged value by value."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from baler_core.cli import main
from baler_core.config import load_config
from baler_core.data.bounds import Tolerance
from baler_core.errors import DataError
from baler_core.evaluate.peer_results import PeerComparison, PeerResult, in_all
from baler_core.evaluate.peers.available import PEERS, chosen_peers
from baler_core.evaluate.peers.comparison import compare_with_others
from baler_core.evaluate.peers.measure import Given, PeerTally, run_apart, run_peer
from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer, told
from baler_core.evaluate.peers.sample import BoundedSample, take_sample
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import load_plugins

RANDOM = np.random.default_rng(41)
IMAGE = np.cumsum(np.cumsum(RANDOM.normal(size=(60, 80)), 0), 1).astype("f4")
COLUMN = RANDOM.normal(0, 3, 3000) * np.exp(RANDOM.normal(size=3000))
INTEGERS = RANDOM.integers(-300, 300, (40, 50)).astype("i2")
HERE = [peer for peer in PEERS if not peer.missing]
ERRORS = {"abs": lambda x: np.ones_like(x), "rel": np.abs}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("peer", HERE, ids=lambda peer: peer.name)
@pytest.mark.parametrize(
    ("values", "allowed"),
    [(IMAGE, Allowed("abs", 0.3)), (IMAGE.astype("f8"), Allowed("abs", 1e-3)), (COLUMN, Allowed("rel", 1e-3)),
     (COLUMN.astype("f4"), Allowed("abs", 0.01)), (np.stack([IMAGE] * 3), Allowed("abs", 2.0)), (INTEGERS, Allowed("exact"))],
    ids=["image", "double", "column", "single", "cube", "integers"],
)  # fmt: skip
def test_a_compressor_holds_the_bound_it_is_told(peer: Peer, values: np.ndarray, allowed: Allowed) -> None:
    if not peer.lossless and allowed.kind not in peer.kinds:
        pytest.skip("not under such bounds")
    try:
        coded = peer.code(values, Allowed("exact") if peer.lossless else allowed)
    except NotTakenError:
        pytest.skip("not such values")
    restored = coded.restore()
    assert (restored.shape, restored.dtype) == (values.shape, values.dtype)
    error = np.abs(restored.astype("f8") - values.astype("f8"))
    if peer.lossless or allowed.kind == "exact":
        assert np.array_equal(restored, values)
    else:
        share = error / (allowed.value * ERRORS[allowed.kind](values.astype("f8")))
        assert 0.1 < share.max() <= 1.0001
    assert 0 < coded.nbytes < 1.1 * values.nbytes


@pytest.mark.parametrize("peer", [peer for peer in HERE if "abs" in peer.kinds], ids=lambda peer: peer.name)
def test_missing_values_are_kept_apart_and_counted(peer: Peer) -> None:
    image = IMAGE.copy()
    image[3:9, 10:30], image[50] = np.nan, -999
    allowed, apart = told(Tolerance("abs", 0.5, fill=(-999.0,)), None, image)
    assert apart.sum() == 6 * 20 + 80
    tally = run_peer(peer, {"x": Given(image, allowed, apart)})
    restored = tally.restored["x"]
    assert np.array_equal(restored[apart], image[apart], equal_nan=True)
    assert np.abs(restored - image)[~apart].max() <= 0.5
    whole = run_peer(peer, {"x": Given(np.where(apart, 0, image), allowed, np.zeros_like(apart))})
    assert tally.nbytes > 0.5 * whole.nbytes > 0


@pytest.mark.parametrize(
    ("tolerance", "each", "expected"),
    [
        (Tolerance("exact"), None, Allowed("exact")),
        (Tolerance("abs", 0.5), None, Allowed("abs", 0.5)),
        (Tolerance("bits", 9), None, Allowed("rel", 2.0**-10)),
        (Tolerance("rel", 0.1, shift=2.0), None, Allowed("abs", 0.1 * 3)),
        (Tolerance("each"), np.array([0.5, 0.25, 4.0]), Allowed("abs", 0.25)),
        (Tolerance("free", mean=("rms", 0.1)), None, Allowed("abs", 0.1 * 3**0.5)),
        (Tolerance("abs", 0.1, mean=("mean_abs", 0.2)), None, Allowed("abs", 0.1)),
        (Tolerance("free", mean=("mean_rel", 0.01)), None, Allowed("rel", 0.02)),
    ],
)
def test_others_are_told_one_number(tolerance: Tolerance, each: np.ndarray | None, expected: Allowed) -> None:
    allowed, apart = told(tolerance, each, np.array([1.0, 2.0, 3.0]))
    assert allowed.kind == expected.kind
    assert allowed.value == pytest.approx(expected.value)
    assert not apart.any()


def test_zeros_of_relative_bounds_and_values_without_an_error_of_their_own_are_kept_apart() -> None:
    values = np.array([0.0, 2.0, 3.0])
    assert told(Tolerance("rel", 0.1), None, values)[1].tolist() == [True, False, False]
    assert told(Tolerance("each"), np.array([0.5, 0.0, -1.0]), values)[1].tolist() == [False, True, True]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "d.npz", image=IMAGE, column=COLUMN.astype("f4"), number=np.arange(3000), flag=COLUMN > 0)
    (tmp_path / "c.yaml").write_text(
        "input: d.npz\nmodel: {name: auto, effort: fast}\noutput: out\n"
        "bounds: {image: {range: 1.0e-3}, column: {rel: 1.0e-3, sign: keep}}\n"
        'derived: {r: {of: "sqrt(abs(column))", rel: 1.0e-3}}\n'
    )
    return tmp_path


def sample_of(folder: Path) -> BoundedSample:
    config = load_config(folder / "c.yaml", load_plugins())
    given = input_of(config.inputs[0], config, load_plugins())
    with given.source:
        return take_sample(given, config, 1 << 20)


def test_one_that_breaks_its_bound_is_shown_as_such_and_is_not_the_best(folder: Path) -> None:
    def wrong(values: np.ndarray, allowed: Allowed) -> Coded:
        return Coded(1, lambda: (values * (1 + 2e-3)).astype(values.dtype))

    def failing(values: np.ndarray, allowed: Allowed) -> Coded:
        raise RuntimeError("no\nsuch thing")

    liar, broken = Peer("liar", wrong, ("rel", "abs")), Peer("broken", failing, ("rel", "abs"))
    import baler_core.evaluate.peers.comparison as comparison

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run_apart", run_peer)
        found = compare_with_others(sample_of(folder), load_plugins(), [liar, broken, *chosen_peers(["xz -9"])])
    ours, lied, failed, xz = found.results
    assert ours.holds
    assert ours.share <= 1
    assert lied.violations >= 3000
    assert not lied.holds
    assert lied.derived[0].share == pytest.approx(1.0, abs=0.05)
    assert (failed.problem, failed.holds) == ("RuntimeError: no such thing", False)
    assert (xz.holds, xz.share, xz.derived[0].largest_error) == (True, 0.0, 0.0)
    assert found.best() == xz
    assert found.native == IMAGE.nbytes + 3000 * (4 + 8 + 1)


def die(name: str, given: Mapping[str, Given]) -> PeerTally:
    os.abort()


def test_one_that_ends_its_process_ends_nothing_else() -> None:
    with pytest.raises(DataError, match="its process ended"):
        run_apart(PEERS[0], {}, die)


def test_compare_prints_all_and_does_not_measure_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["--with", "XZ -9", "--with", "bits rounded + zstd -19"]
    assert run("compare", folder / "c.yaml", *names, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    ours, xz, rounded = first["results"]
    assert ours["nbytes"] < rounded["nbytes"] < xz["nbytes"]
    assert (xz["beside"], rounded["beside"]) == (0, 2)
    assert rounded["share"] <= 1
    assert rounded["mb_per_second"][1] > 0
    assert [one["name"] for one in ours["derived"]] == ["r"]
    assert run("compare", folder / "c.yaml", *names, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["results"][1:] == first["results"][1:]
    assert (folder / "out/compare.json").is_file()
    # Another bound is another comparison.
    text = (folder / "c.yaml").read_text().replace("rel: 1.0e-3, sign", "rel: 1.0e-2, sign")
    (folder / "c.yaml").write_text(text)
    assert run("compare", folder / "c.yaml", *names) == 0
    shown = capsys.readouterr().out
    assert "bits rounded + zstd -19" in shown
    assert f"{rounded['nbytes']:,}" not in shown


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"digest": 1}',
        b'{"comparisons": 3}',
        b'{"comparisons": [4, {}, {"digest": 5}]}',
        b'{"comparisons": [{"digest": "", "comparison": {"results": 7}}]}',
    ],
)
def test_damaged_records_are_measured_anew(folder: Path, damage: bytes) -> None:
    from baler_core.evaluate.peers.record import known_results

    (folder / "compare.json").write_bytes(damage.replace(b'""', f'"{sample_of(folder).digest()}"'.encode()))
    assert known_results(folder / "compare.json", sample_of(folder).digest()) == {}


def test_files_of_a_folder_are_compared_one_by_one_and_summed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "more").mkdir()
    for name, factor in (("a", 1), ("b", 3)):
        np.savez(folder / "more" / f"{name}.npz", image=IMAGE * np.float32(factor), column=COLUMN[:999].astype("f4"))
    (folder / "more" / "notes.odt").write_bytes(b"no data")
    given = ["compare", folder / "c.yaml", "--input", folder / "more", "--with", "xz -9", "--with", "SZ3"]
    assert run(*given, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["files"]
    assert [first["input"], second["input"], found["total"]["input"]] == ["a.npz", "b.npz", "all 2 inputs"]
    assert found["total"]["native_bytes"] == 2 * (IMAGE.nbytes + 4 * 999)
    for parts in zip(first["results"], second["results"], found["total"]["results"], strict=True):
        assert parts[2]["nbytes"] == parts[0]["nbytes"] + parts[1]["nbytes"] > 0
        assert parts[2]["share"] == max(parts[0]["share"], parts[1]["share"])
    assert run(*given) == 0
    shown = capsys.readouterr().out
    assert f"{found['total']['results'][1]['nbytes']:,}" in shown
    (folder / "none").mkdir()
    assert run("compare", folder / "c.yaml", "--input", folder / "none") == 1
    assert "no file in this folder is of a format" in capsys.readouterr().err


def test_one_that_did_not_code_all_inputs_has_no_sum() -> None:
    ours = PeerResult("baler", nbytes=3)
    whole = PeerComparison("a", 10, 10, 1, (ours, PeerResult("x", nbytes=2)))
    part = PeerComparison("b", 10, 10, 1, (ours, PeerResult("x", problem="it fell")))
    total = in_all([whole, part])
    assert [one.nbytes for one in total.results] == [6, 0]
    assert total.results[1].problem == "it coded 1 of 2 inputs"
    assert total.best() is None


def test_bad_requests_are_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", folder / "c.yaml", "--with", "zstd") == 1
    assert "Did you mean 'zstd -19'?" in capsys.readouterr().err
    text = (folder / "c.yaml").read_text()
    (folder / "c.yaml").write_text(text + "target: {ratio: 20}\n")
    assert run("compare", folder / "c.yaml") == 1
    assert "state the bounds that 'baler info' shows" in capsys.readouterr().err


def test_a_report_shows_others_at_the_same_bounds(folder: Path) -> None:
    assert run("run", folder / "c.yaml") == 0
    record = json.loads((folder / "out/report.json").read_text())["peers"]
    ours, rounded = record["results"][:2]
    assert (ours["name"], rounded["name"]) == ("baler", "bits rounded + zstd -19")
    assert ours["nbytes"] == (folder / "out/d.bal").stat().st_size
    assert rounded["violations"] == 0
    assert 0.1 < rounded["share"] <= 1
    page = (folder / "out/report.html").read_text()
    assert "Other compressors at the same bounds" in page


def test_what_has_no_range_is_exact_beside_others(tmp_path: Path) -> None:
    one = np.full(400, np.nan)
    one[7] = 2.0
    data = {
        "walk": np.cumsum(np.random.default_rng(3).normal(size=400)), "constant": np.full(400, 3.5), "one": one,
        "nan": np.full(400, np.nan), "infinite": np.full((20, 20), np.inf, "f4"), "empty": np.empty((0, 4), "f4"),
        "single": np.float64(7.5), "zero": np.zeros(400, "f4"),
    }  # fmt: skip
    np.savez(tmp_path / "d.npz", **data)  # type: ignore[arg-type]
    bounds = "".join(f"  {name}: {{range: 1.0e-3}}\n" for name in data)
    (tmp_path / "c.yaml").write_text(f"input: d.npz\nbounds:\n{bounds}model: scalar\nplots: []\noutput: {tmp_path}\n")
    assert run("run", tmp_path / "c.yaml") == 0
    record = json.loads((tmp_path / "report.json").read_text())
    measured = record["peers"]["results"][1:]
    assert measured
    assert not any(one["violations"] or one["problem"] for one in measured)
    with np.load(tmp_path / "d.restored.npz") as restored:
        for name in data.keys() - {"walk"}:
            assert np.array_equal(restored[name], data[name], equal_nan=True)


def test_a_comparison_that_fails_becomes_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DataError("the middle of it cannot be read")

    monkeypatch.setattr("baler_core.evaluate.peers.comparison.sample_beside", fail)
    assert run("run", folder / "c.yaml") == 0
    record = json.loads((folder / "out/report.json").read_text())
    assert record["peers"] is None
    assert [note for note in record["notes"] if "the middle of it cannot be read" in note]
    assert "the middle of it cannot be read" in (folder / "out/report.html").read_text()
