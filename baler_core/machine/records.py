"""Make dataclasses whose methods are written when the first is used: writing all at once is a fifth of a short command."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, TypeVar

Made = TypeVar("Made")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, **settings: bool) -> Any:
        """Mark a class as `dataclasses.dataclass` does, which is asked only once an instance is made, or fields are wanted.

        Classes with `slots`, which are made anew, are not for it.
        """
        if cls is None:
            return lambda found: _deferred(found, settings)
        return _deferred(cls, settings)


_LOCK = threading.RLock()
_OWN = frozenset(["__dict__", "__weakref__"])
# What instances are made with: of most classes nothing else is ever asked for.
_MAKING = frozenset(["__init__", "__dataclass_fields__", "__match_args__"])
_NOTHING_ELSE = {"repr": False, "eq": False, "order": False}


def like(record: Made, /, **changes: Any) -> Made:
    """Return a record with other values of some fields, which are not checked: `dataclasses.replace` takes ten times as long.

    Only for classes without `__post_init__`, slots and cached properties.
    """
    made: Made = object.__new__(type(record))
    made.__dict__.update(record.__dict__, **changes)
    return made


class _Deferred:
    """What stands in a class in place of something that `dataclasses` writes, and has it written when asked for."""

    def __init__(self, unfinished: _Unfinished, name: str) -> None:
        self.unfinished = unfinished
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        found = self.unfinished.finish(self.name)
        return found.__get__(instance, owner) if hasattr(type(found), "__get__") else found


class _Unfinished:
    """A class before `dataclasses` has seen it.

    Attributes
    ----------
    body
        What stands in the class, as its author wrote it.
    """

    def __init__(self, cls: type, settings: dict[str, bool]) -> None:
        self.cls = cls
        self.settings = settings
        self.body = {name: value for name, value in cls.__dict__.items() if name not in _OWN}
        self.written: dict[str, Any] = {}

    def finish(self, name: str) -> Any:
        """Write what makes instances, or all else, once; return one of them.

        They are written for a twin of the class and taken over from it one by one, so that other threads find either
        what stands in for a method or the method.
        """
        with _LOCK:
            if name not in self.written:
                settings = self.settings | _NOTHING_ELSE if name in _MAKING else self.settings
                # without a text, `dataclasses` would write one from the signature, which takes longest of all
                known = {"__qualname__": self.cls.__qualname__, "__doc__": self.body.get("__doc__") or "-"}
                twin = type(self.cls)(self.cls.__name__, self.cls.__bases__, self.body | known)
                dataclasses.dataclass(**settings)(twin)
                made = {each: value for each, value in twin.__dict__.items() if (each in _MAKING) == (name in _MAKING)}
                self.written |= made
                for each, value in list(self.cls.__dict__.items()):
                    if each in made and isinstance(value, _Deferred) and value.unfinished is self:
                        setattr(self.cls, each, made[each])
            return self.written[name]


def _deferred(cls: type, settings: dict[str, bool]) -> type:
    """Put what stands in for methods and fields into a class."""
    unfinished = _Unfinished(cls, settings)
    names = ["__dataclass_fields__", "__dataclass_params__", "__match_args__"]
    names += ["__init__"] if settings.get("init", True) else []
    names += ["__repr__"] if settings.get("repr", True) else []
    names += ["__eq__"] if settings.get("eq", True) else []
    names += ["__hash__"] if settings.get("eq", True) and settings.get("frozen") else []
    names += ["__lt__", "__le__", "__gt__", "__ge__"] if settings.get("order") else []
    for name in names:
        # What a class says itself stays; Python adds a `__hash__` of None where there is an `__eq__`.
        if unfinished.body.get(name) is None:
            setattr(cls, name, _Deferred(unfinished, name))
    if settings.get("frozen"):
        _freeze(cls)
    elif settings.get("eq", True) and "__hash__" not in unfinished.body:
        cls.__hash__ = None  # type: ignore[assignment]
    for name, value in unfinished.body.items():
        if isinstance(value, dataclasses.Field):  # defaults are found in the class, as of any dataclass
            if value.default is dataclasses.MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, value.default)
    return cls


def _freeze(cls: Any) -> None:
    """Refuse changes of instances, in the words of `dataclasses`."""

    def refuse_to_set(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def refuse_to_delete(self: Any, name: str) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    cls.__setattr__ = refuse_to_set
    cls.__delattr__ = refuse_to_delete
