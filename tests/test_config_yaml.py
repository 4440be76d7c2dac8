"""YAML as the configuration reads it: numbers, line numbers, duplicates, and what hostile files get."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from baler_core.config.yaml_nodes import MAX_BYTES, parse_yaml, read_yaml
from baler_core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e-3", 1e-3),
        ("1E3", 1000.0),
        ("+.5", 0.5),
        ("7", 7),
        ("-1", -1),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("1e", "1e"),
        ("e3", "e3"),
    ],
)
def test_plain_scalars_follow_yaml_1_2_and_read_exponents_as_numbers(text: str, value: object) -> None:
    read = parse_yaml(f"key: {text}", "f").value["key"]
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(parse_yaml("key: .nan", "f").value["key"])


def test_characters_that_json_writes_as_two_halves_are_whole() -> None:
    document = parse_yaml(json.dumps({"ü\U0001f4a5": ["\U0001f4a5.csv", "bad\udcff.csv"]}), "f")
    assert document.value == {"ü\U0001f4a5": ["\U0001f4a5.csv", "bad\udcff.csv"]}
    assert not document.problems
    document = parse_yaml('input: "a\\ud83d.csv"', "f")
    assert document.value == {"input": "a.csv"}
    assert [(problem.line, "half of a character" in problem.message) for problem in document.problems] == [(1, True)]


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse_yaml("{1: a, true: b, on: c, null: d}", "f").value == {"1": "a", "true": "b", "on": "c", "null": "d"}


def test_every_key_and_item_knows_its_line() -> None:
    document = parse_yaml("a:\n  b: 1\n  c:\n    - x\n\n    - y\n", "f")
    assert document.lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 6}
    assert document.line(("a", "c", 1, "deeper")) == 6


def test_duplicate_keys_are_named_with_both_lines() -> None:
    document = parse_yaml("a:\n  b: 1\n  b: 2\nc: {d: 1, d: 2}\n", "f")
    assert [problem.at("f") for problem in document.problems] == [
        "f:3: a.b: this key is in line 2 already: keep one of the two",
        "f:4: c.d: this key is in line 4 already: keep one of the two",
    ]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [true]", "!!python/name:os.system", "!mine {a: 1}"])
def test_tags_run_nothing_and_are_refused(tag: str) -> None:
    document = parse_yaml(f"key: {tag}", "f")
    assert document.value == {"key": None}
    assert "is not allowed" in document.problems[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "f:2: .*Indent with spaces"),
        ("*: lossless", "f:1: .*in quotes"),
        ("\n*pt: lossless", "f:2: .*in quotes"),
        ("a: b: c", "f:1: "),
        ("a: 1\n---\nb: 2", "f:2: .*another document"),
        ("a: \x00", "special characters"),
        ("[" * 50_000, "nested deeper than 20"),
        ("{a: " * 50_000, "nested deeper than 20"),
        ("a: &a [*a]", "aliases"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text, "f")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match="aliases"):
        parse_yaml("\n".join(lines), "f")


def test_files_that_are_no_text_or_too_large_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: not UTF-8"):
        read_yaml(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="Is it the data file"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_yaml(tmp_path)


def test_nul_in_a_text_is_refused_with_its_line() -> None:
    document = parse_yaml('model: scalar\noutput: "o\\0t"\n', "a.yaml")
    assert [(problem.line, "NUL" in problem.message) for problem in document.problems] == [(2, True)]
