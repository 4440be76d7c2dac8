"""Dataclasses whose methods are written late behave as those of `dataclasses`."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import pytest

from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class Place:
    """Frozen, with defaults."""

    kind: ClassVar[str] = "place"
    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list, compare=False)

    def moved(self, by: int) -> Place:
        return dataclasses.replace(self, x=self.x + by)


@dataclass(frozen=True)
class Far(Place):
    """Inherits fields."""

    z: int = 3

    def __post_init__(self) -> None:
        assert self.z != 99


@dataclass
class Count:
    """May change."""

    n: int = 0
    last: int = field(init=False, default=7)


class Shape(ABC):
    @abstractmethod
    def area(self) -> int: ...


@dataclass(frozen=True)
class Square(Shape):
    """Of an abstract class."""

    side: int

    def area(self) -> int:
        return self.side**2


def test_instances_are_made_compared_hashed_and_shown() -> None:
    assert Place(1) == Place(1, 2, ["a"])
    assert Place(1) != Place(2)
    assert hash(Place(1)) == hash(Place(1))
    assert repr(Place(1)) == "Place(x=1, y=2, tags=[])"
    assert Far(1, z=5).moved(2) == Far(3, z=5)
    assert Square(3).area() == 9
    assert Count(4).last == 7
    assert [f.name for f in dataclasses.fields(Far)] == ["x", "y", "tags", "z"]
    assert dataclasses.asdict(Count(1)) == {"n": 1, "last": 7}
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Place()  # type: ignore[call-arg]
    with pytest.raises(AssertionError):
        Far(1, z=99)
    match Far(1, 2):
        case Place(x, y):
            assert (x, y) == (1, 2)


def test_changes_are_refused_or_made() -> None:
    place, count = Far(1), Count()
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        place.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'z'"):
        del place.z
    count.n = 5
    assert count == Count(5)
    with pytest.raises(TypeError, match="unhashable"):
        hash(count)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])  # noqa: S301
def test_copies_are_equal(duplicate: Callable[[Any], Any]) -> None:
    assert duplicate(Far(1, 2, ["a"], 4)) == Far(1, 2, ["a"], 4)


def test_an_instance_may_be_unpickled_before_any_is_made() -> None:
    @dataclass(frozen=True)
    class Late:
        x: int

    found = Late.__new__(Late)
    found.__dict__["x"] = 1  # as pickle does
    assert repr(found).endswith("Late(x=1)")
    assert found == Late(1)
    assert hash(found) == hash(Late(1))


def test_threads_may_make_the_first_instances() -> None:
    pace = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):

            @dataclass(frozen=True)
            class Shared:
                x: int
                y: int = 1

            made: list[bool] = []

            def make(n: int, kind: Any = Shared, found: list[bool] = made) -> None:
                found.append(kind(n) == kind(n, 1))

            threads = [threading.Thread(target=make, args=[n]) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert made == [True] * 8
    finally:
        sys.setswitchinterval(pace)
