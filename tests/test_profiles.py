"""Profiles: trained on several files, brought by packages, used by name, and found again by their checksum."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.cli import main
from baler_core.errors import ConfigError
from baler_core.format.file_info import read_info

LEVELS = np.random.default_rng(8).lognormal(0, 1, 200)


def rows(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 200, count)
    return {"kind": kind, "level": np.round(LEVELS[kind] * 1000).astype("<i4") + rng.integers(0, 3, count)}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return int(str(caught.value.code or 0))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of two files that do not hold the same columns in the same order."""
    folder = tmp_path_factory.mktemp("built")
    np.savez(folder / "one.npz", **rows(900, 1), other=np.arange(900))
    np.savez(folder / "two.npz", **dict(reversed(rows(1400, 2).items())), kept=np.zeros((3, 4)))
    (folder / "c.yaml").write_text(
        'input: x.npz\nbounds: lossless\nmodel: {name: table, effort: balanced, network: "off"}\n'
    )
    (folder / "x.npz").touch()
    made = folder / "kinds.balm"
    assert (
        run("profile", "build", folder / "one.npz", folder / "two.npz", "--config", folder / "c.yaml", "-o", made) == 0
    )
    return made


@pytest.fixture
def installed(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The profile in an installed package, which no one imports."""
    package = tmp_path / "site" / "baler_profile_kinds"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('nothing of it is imported')\n")
    shutil.copy(built, package / "kinds.balm")
    told = tmp_path / "site" / "baler_profile_kinds-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: baler-profile-kinds\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[baler.profiles]\nkinds = baler_profile_kinds\nlost = baler_no_such_package\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return package / "kinds.balm"


def test_it_knows_what_its_files_have_in_common(built: Path) -> None:
    header = read_info(built).header
    assert sorted(header.schema.names) == ["kind", "level"]
    assert list(header.schema.sizes.values()) == [2300]


def test_files_refer_to_an_installed_one_by_name(
    installed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = rows(300, 3)
    fresh = baler_core.compress(arrays, tmp_path / "fresh.bal", bounds="lossless")
    np.savez(tmp_path / "a.npz", **arrays)
    (tmp_path / "c.yaml").write_text("input: a.npz\nbounds: lossless\nmodel: {profile: kinds}\noutput: .\n")
    assert run("compress", tmp_path / "c.yaml") == 0
    assert "restored only with kinds.balm" in capsys.readouterr().out
    assert (tmp_path / "a.bal").stat().st_size < 0.9 * fresh.file_bytes
    restored = baler_core.open_file(tmp_path / "a.bal")
    assert all(np.array_equal(restored[name][:], values) for name, values in arrays.items())
    assert run("profile", "list", "--json") == 0
    (listed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "kinds"]
    trained = read_info(tmp_path / "a.bal").header.trained
    assert trained is not None
    assert (listed["name"], listed["sha256"]) == ("kinds", trained.sha256)


def test_earlier_versions_stay_in_the_package(installed: Path, tmp_path: Path) -> None:
    baler_core.compress(rows(300, 3), tmp_path / "a.bal", bounds="lossless", model={"profile": "kinds"})
    installed.rename(installed.with_name("kinds-2025.balm"))
    installed.write_bytes(installed.with_name("kinds-2025.balm").read_bytes() + b"!")
    assert np.array_equal(baler_core.open_file(tmp_path / "a.bal")["kind"][:], rows(300, 3)["kind"])
    installed.with_name("kinds-2025.balm").unlink()
    with pytest.raises(FormatError, match="another version of this profile"):
        baler_core.open_file(tmp_path / "a.bal")


def test_it_may_be_a_file(built: Path, tmp_path: Path) -> None:
    shutil.copy(built, tmp_path / "own.balm")
    done = baler_core.compress(
        rows(300, 4), tmp_path / "a.bal", bounds="lossless", model={"profile": str(tmp_path / "own.balm")}
    )
    assert done.trained == "own.balm"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("stated", "what"), [("kind", "Did you mean 'kinds'"), ("no.balm", "no profile at"), (3, "wanted the name")]
)
def test_one_that_is_not_there_is_named(stated: object, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=what):
        baler_core.compress(rows(9, 4), tmp_path / "a.bal", model={"profile": stated})


def test_text_of_jagged_collections_is_left_out(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"tag": [["a", "b"], [], ["c"]] * 40, "level": [[1, 2], [3], []] * 40, "pt": np.arange(120)})
    for name in ("one.parquet", "two.parquet"):
        parquet.write_table(table, tmp_path / name)
    made = tmp_path / "a.balm"
    assert run("profile", "build", tmp_path / "one.parquet", tmp_path / "two.parquet", "-o", made) == 0
    (tmp_path / "c.yaml").write_text("input: one.parquet\nbounds: lossless\n")
    given = ("--model", made, "--reference", "-o", tmp_path / "one.bal")
    assert run("compress", tmp_path / "c.yaml", *given) == 0
    restored = baler_core.open(tmp_path / "one.bal", trained=made)
    assert list(restored["pt"].values) == list(range(120))


@pytest.mark.parametrize("profile", sorted(Path(__file__).parents[1].glob("profiles/*/*/*.balm")), ids=lambda p: p.stem)
def test_those_of_this_repository_can_be_read_and_are_small(profile: Path, tmp_path: Path) -> None:
    assert profile.stat().st_size <= 200_000
    baler_core.compress(rows(9, 4), tmp_path / "a.bal", model={"profile": str(profile)})
    assert len(baler_core.open(tmp_path / "a.bal")["kind"]) == 9


def test_files_without_common_columns_make_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "one.npz", a=np.arange(9))
    np.savez(tmp_path / "two.npz", a=np.arange(9.0), b=np.zeros((3, 4)))
    assert run("profile", "build", tmp_path / "one.npz", tmp_path / "two.npz", "-o", tmp_path / "a.balm") == 1
    assert "no columns of numbers in common" in capsys.readouterr().err
    assert not (tmp_path / "a.balm").exists()
