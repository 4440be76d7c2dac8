"""Records survive being turned into columns."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from baler_core.format.json_columns import from_columns, to_columns

records = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.just("\x00absent"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(records)
def test_any_record_returns_with_its_order(record: object) -> None:
    restored = from_columns(json.dumps(to_columns(record)))
    assert restored == record
    assert repr(restored) == repr(record)


def test_rows_become_columns() -> None:
    assert to_columns([{"a": 1}, {"a": 2, "b": 3}]) == {"\x00columns": {"a": [1, 2], "b": ["\x00absent", 3]}}
