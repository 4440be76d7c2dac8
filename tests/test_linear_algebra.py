"""Tests that linear algebra keeps to one thread where it is asked to, and afterwards is as it was."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from baler_core.machine.threads import one_thread


def _threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_as_many_as_before_outside() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = _threads()
        inside = one_thread(_threads)()
        assert inside == {1}
        assert _threads() == before


def test_result_arguments_and_failures_pass_through() -> None:
    assert one_thread(divmod)(7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        one_thread(divmod)(1, 0)
