"""Patterns of names: a pattern that is a name means that variable alone, in bounds, readers, steps and plots."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import BoundRules, DataError, ErrorBound, select_names
from baler_core.data.patterns import matching_names, unmistakable

NAMES = ("flux[ADU]", "fluxA", "fluxD", "pt [GeV]", "what?", "whats")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("flux[ADU]", ["flux[ADU]"]),
        ("flux[AD]", ["fluxA", "fluxD"]),
        ("flux[[]ADU]", ["flux[ADU]"]),
        ("pt [GeV]", ["pt [GeV]"]),
        ("what?", ["what?"]),
        ("flux*", ["flux[ADU]", "fluxA", "fluxD"]),
    ],
)
def test_a_pattern_that_is_a_name_means_no_other(pattern: str, found: list[str]) -> None:
    assert matching_names([pattern], NAMES) == found
    assert select_names(NAMES, [pattern], "here") == found
    assert matching_names(unmistakable([pattern], NAMES), NAMES) == found
    rules = BoundRules(((pattern, ErrorBound("abs", 0.1)),))
    assert rules.reached(NAMES) == [found]
    lossy = [name for name in NAMES if rules.among(NAMES).bound_for(name, "<f8").kind == "abs"]
    assert lossy == found


def test_a_variable_called_star_leaves_the_star_a_wildcard() -> None:
    assert matching_names(["*"], ["*", "x"]) == ["*", "x"]


def test_a_bound_on_a_name_with_brackets_leaves_its_class_exact(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.random.default_rng(1).normal(size=500)
    arrays = {"flux[ADU]": values, "fluxA": values + 1, "fluxU": values + 2}
    with caplog.at_level(logging.WARNING):
        done = baler_core.compress(arrays, tmp_path / "a.bal", bounds={"flux[ADU]": {"abs": 0.1}, "*": "lossless"})
    restored = baler_core.open(tmp_path / "a.bal")
    assert not caplog.records
    assert 0 < done.errors["flux[ADU]"].largest <= 0.1
    assert np.array_equal(restored["fluxA"].values, arrays["fluxA"])
    assert np.array_equal(restored["fluxU"].values, arrays["fluxU"])


GROUPED = ("x", "a/pt", "a/eta", "b/pt [GeV]", "b/deep/pt", "b/ptx")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("pt", ["a/pt", "b/deep/pt"]),
        ("e?a", ["a/eta"]),
        ("pt*", ["a/pt", "b/pt [GeV]", "b/deep/pt", "b/ptx"]),
        ("pt [GeV]", ["b/pt [GeV]"]),
        ("x", ["x"]),
        ("*x", ["x", "b/ptx"]),
        ("a/pt", ["a/pt"]),
        ("c/pt", []),
        ("deep", []),
        ("d*", []),
    ],
)
def test_a_pattern_without_a_slash_that_matches_no_name_means_the_last_part(pattern: str, found: list[str]) -> None:
    assert matching_names([pattern], GROUPED) == found
    assert matching_names(unmistakable([pattern], GROUPED), GROUPED) == found
    rules = BoundRules(((pattern, ErrorBound("abs", 0.1)),)).among(GROUPED)
    assert rules.reached(GROUPED) == [found]
    assert [name for name in GROUPED if rules.bound_for(name, "<f8").kind == "abs"] == found
    assert rules.unmatched(GROUPED) == ([] if found else [pattern])
    if found:
        assert select_names(GROUPED, [pattern], "here") == found
    else:
        with pytest.raises(DataError, match="no variable"):
            select_names(GROUPED, [pattern], "here")


def test_the_last_part_is_no_name_in_full() -> None:
    rules = BoundRules((("pt", ErrorBound("abs", 0.1)), ("b/count", ErrorBound("abs", 1.0)))).among([*GROUPED, "a/n"])
    assert rules.bound_for("a/pt", "<f8", protected=True).kind == "lossless"
    assert rules.bound_for("a/pt", "<i4").kind == "lossless"
    assert rules.bound_for("a/pt", "<f8").kind == "abs"


@pytest.mark.parametrize("names", [("temp", "sea/temp"), ("/temp", "/sea/temp")])
@pytest.mark.parametrize("pattern", ["temp", "/temp"])
def test_a_slash_in_front_makes_no_difference(names: tuple[str, ...], pattern: str) -> None:
    if names[0] == "/temp" and pattern == "temp":
        return  # the last part of both names
    rules = BoundRules(((pattern, ErrorBound("abs", 0.1)),)).among(names)
    assert matching_names([pattern], names) == select_names(names, [pattern], "here") == [names[0]]
    assert rules.bound_for(names[0], "<f8", protected=True).kind == "abs"
    assert rules.bound_for(names[1], "<f8").kind == "lossless"
    assert not rules.unmatched(names)
    assert matching_names(["/sea/*"], names) == [names[1]]
