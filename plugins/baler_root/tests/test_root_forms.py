"""Any nesting of numbers, strings, lists and records comes apart into flat arrays and together again."""

from __future__ import annotations

import json

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_root.contents.forms import (
    Form,
    List,
    Number,
    Record,
    Text,
    Unsupported,
    from_awkward,
    from_json,
    leaves,
    to_json,
)
from baler_root.values.flatten import Arrays, put_together, take_apart

LEAVES = st.sampled_from([Number("<i4"), Number("<f8", (2,)), Number("|b1"), Text()])
FORMS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(List),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: Record(tuple(zip("abc", c, strict=False)))),
    ),
    max_leaves=4,
)


def fill(
    form: Form, rows: int, name: str, place: str, rng: np.random.Generator, values: Arrays, counts: Arrays
) -> None:
    """Random flat values and counts for `rows` rows of a form."""
    if isinstance(form, List):
        counts[place + "[]"] = rng.integers(0, 4, rows)
        fill(form.content, int(counts[place + "[]"].sum()), name, place + "[]", rng, values, counts)
    elif isinstance(form, Record):
        for field, content in form.fields:
            fill(content, rows, f"{name}.{field}", f"{place}.{field}", rng, values, counts)
    elif isinstance(form, Text):
        values[name] = np.array([*("ü" * int(n) for n in rng.integers(0, 4, rows)), None], object)[:-1]
    else:
        values[name] = rng.integers(0, 2, (rows, *form.shape)).astype(form.dtype)


@settings(deadline=None)
@given(form=FORMS, rows=st.integers(0, 5), seed=st.integers(0, 1000))
def test_apart_and_together(form: Form, rows: int, seed: int) -> None:
    values: Arrays = {}
    counts: Arrays = {}
    fill(form, rows, "x", "x", np.random.default_rng(seed), values, counts)
    layout = put_together(form, "x", values, counts)
    assert len(layout) == rows
    assert from_awkward(layout.form) == form
    values_again, counts_again = take_apart(layout, form, "x")
    assert [*values_again] == [leaf.name for leaf in leaves(form, "x")]
    assert all(np.array_equal(values_again[name], values[name]) for name in values)
    assert set(counts_again) == set(counts)
    assert all(np.array_equal(counts_again[place], counts[place]) for place in counts)


def test_what_apart_means() -> None:
    array = ak.Array([[{"pt": 1, "hits": [5, 6]}], [], [{"pt": 2, "hits": []}, {"pt": 3, "hits": [7]}]])[1:]
    values, counts = take_apart(array.layout, from_awkward(array.layout.form), "Jet")
    assert {name: value.tolist() for name, value in values.items()} == {"Jet.pt": [2, 3], "Jet.hits": [7]}
    assert {place: count.tolist() for place, count in counts.items()} == {"Jet[]": [0, 2], "Jet[].hits[]": [0, 1]}


@given(form=FORMS)
def test_forms_survive_json(form: Form) -> None:
    assert from_json(json.loads(json.dumps(to_json(form)))) == form


@pytest.mark.parametrize("values", [[1, None], [1, "a"], [{}, {}], [b"bytes"]], ids=str)
def test_what_is_not_supported(values: list[object]) -> None:
    with pytest.raises(Unsupported):
        from_awkward(ak.Array(values).layout.form)
