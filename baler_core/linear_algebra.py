"""Keeps linear algebra on one thread: work is spread over variables and tiles, where waiting threads of BLAS burn time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


def one_thread(function: Callable[P, Result]) -> Callable[P, Result]:
    """The function with BLAS on one thread while it runs; so its sums do not depend on the number of cores either."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> Result:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
