"""Building values from data by a type hint: dataclasses, enums, named tuples, TypedDicts, and pydantic models.

Such values travel as plain data: a dataclass as a dict, an enum as its value. The type hints of the function that
receives them say what they were. Containers of them are walked, at any depth. All other hints leave a value as it is.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, NewType, TypeAlias, Union, get_args, get_origin, is_typeddict

from alsek.core.arguments.hints import hints_of
from alsek.core.short_repr import shown

#: Takes data and where it stands, for errors; returns the value.
Builder: TypeAlias = Callable[[Any, str], Any]

#: The method by which a pydantic model is recognized.
_PYDANTIC: Final = "model_validate"


class MisfitError(ValueError):
    """Data does not fit its type hint. The text begins with the place, such as ``order.due``."""


def builder_of(hint: Any) -> Builder | None:
    """Return what builds values of this hint; None if data of it is the value itself.

    Values that are built already pass through.
    """
    hint = _bare(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(hint, args)
    if isinstance(origin, type) and not _is_built(origin):
        return _container(origin, args)
    kind = origin or hint
    if kind is tuple:
        return _tuple(())
    return _of_class(kind) if isinstance(kind, type) and _is_built(kind) else None


def _bare(hint: Any) -> Any:
    """Return a hint without ``Annotated``, ``NewType`` and ``type`` aliases around it."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # the statement `type X = …` of Python 3.12
            hint = hint.__value__
        else:
            return hint


def _is_built(kind: type) -> bool:
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, Enum)
        or is_typeddict(kind)
        or _is_named_tuple(kind)
        or callable(getattr(kind, _PYDANTIC, None))
    )


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make")


@lru_cache(maxsize=1_024)
def _of_class(kind: type) -> Builder:
    if issubclass(kind, Enum):
        return lambda data, where: _enum(kind, data, where)
    if callable(getattr(kind, _PYDANTIC, None)):
        return lambda data, where: _pydantic(kind, data, where)
    return _Fields(kind)


def _enum(kind: type[Enum], data: Any, where: str) -> Any:
    if isinstance(data, kind):
        return data
    # The value of a member may have been a tuple.
    for value in (data, tuple(data) if isinstance(data, list) else data):
        try:
            return kind(value)
        except (ValueError, TypeError):
            continue
    raise MisfitError(f"{where}: {shown(data)} is no value of {kind.__name__}")


def _pydantic(kind: Any, data: Any, where: str) -> Any:
    if isinstance(data, kind):
        return data
    try:
        return kind.model_validate(data)
    except ValueError as error:  # pydantic's ValidationError is one
        raise MisfitError(f"{where}: {error}") from error


class _Fields:
    """Builds dataclasses, named tuples and TypedDicts. Their hints are read at the first use.

    A class may contain itself, and its hints may name classes that are defined below it.
    """

    def __init__(self, kind: type) -> None:
        self._kind: Any = kind
        self._fields: Mapping[str, Callable[[Any, str], Any]] | None = None
        self._required: frozenset[str] = frozenset()
        self._computed: frozenset[str] = frozenset()

    def __call__(self, data: Any, where: str) -> Any:
        kind = self._kind
        is_dict = is_typeddict(kind)
        if not is_dict and isinstance(data, kind):
            return data
        if self._fields is None:
            self._read()
        assert self._fields is not None
        if isinstance(data, list) and _is_named_tuple(kind):
            if len(data) > len(kind._fields):
                raise MisfitError(f"{where}: {len(data)} elements are too many for {kind.__name__}")
            data = dict(zip(kind._fields, data, strict=False))
        if not isinstance(data, dict):
            raise MisfitError(f"{where}: {shown(data)} ({type(data).__name__}) is no {kind.__name__}")
        missing = [name for name in self._fields if name in self._required and name not in data]
        if missing:
            raise MisfitError(f"{where}.{missing[0]} is missing: {kind.__name__} needs it")
        values = {
            name: build(data[name], f"{where}.{name}") for name, build in self._fields.items() if name in data
        }
        if is_dict:
            return {**data, **values}
        unknown = [name for name in data if name not in self._fields and name not in self._computed]
        if unknown:
            raise MisfitError(f"{where}.{unknown[0]}: {kind.__name__} has no such field")
        try:
            return kind(**values)
        except (TypeError, ValueError, ArithmeticError) as error:  # the class checks its fields itself
            raise MisfitError(f"{where}: {kind.__name__} can't be made of its fields: {error}") from error

    def _read(self) -> None:
        kind = self._kind
        hints = hints_of(kind)
        if dataclasses.is_dataclass(kind):
            fields = dataclasses.fields(kind)
            names = [field.name for field in fields if field.init]
            self._computed = frozenset(field.name for field in fields if not field.init)
            self._required = frozenset(
                field.name
                for field in fields
                if field.init
                and field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            )
        elif is_typeddict(kind):
            names = list(hints)
            # Of hints that are text, __required_keys__ does not know these.
            optional = {name for name, hint in hints.items() if get_origin(hint) is typing.NotRequired}
            self._required = frozenset(kind.__required_keys__) - optional
        else:
            names = list(kind._fields)
            self._required = frozenset(names) - kind._field_defaults.keys()
        self._fields = {name: _field_builder(hints.get(name, Any)) for name in names}


def _field_builder(hint: Any) -> Callable[[Any, str], Any]:
    """Return what builds or checks one field."""
    if isinstance(hint, dataclasses.InitVar):
        hint = hint.type
    if get_origin(hint) in (typing.Required, typing.NotRequired, typing.ClassVar):
        hint = get_args(hint)[0]
    build = builder_of(hint)
    return build if build is not None else _checker(_bare(hint))


def _checker(hint: Any) -> Callable[[Any, str], Any]:
    """Return what checks that data is of a class; it checks nothing if the hint is no class."""
    kind = get_origin(hint) or hint
    if not isinstance(kind, type) or kind in (object, Any) or getattr(kind, "_is_protocol", False):
        return lambda data, _: data
    accepted = (int, float) if kind is float else (int, float, complex) if kind is complex else kind

    def check(data: Any, where: str) -> Any:
        if not isinstance(data, accepted):
            raise MisfitError(f"{where}: {shown(data)} ({type(data).__name__}) is no {kind.__name__}")
        return data

    return check


def _union(hint: Any, parts: tuple[Any, ...]) -> Builder | None:
    """Return what builds the first of these hints that fits."""
    builders = [builder_of(part) for part in parts]
    if not any(builders):
        return None
    plain = [_checker(_bare(part)) for part, build in zip(parts, builders, strict=True) if build is None]
    built = [build for build in builders if build is not None]

    def build(data: Any, where: str) -> Any:
        reasons = []
        for choice in (*plain, *built):
            try:
                return choice(data, where)
            except MisfitError as misfit:
                reasons.append(misfit)
        # Of one class and None, the class has the reason to tell.
        raise reasons[-1] if len(built) == 1 else MisfitError(f"{where}: {shown(data)} does not fit {hint}")

    return build


def _container(kind: type, args: tuple[Any, ...]) -> Builder | None:
    if kind is tuple:
        return _tuple(args)
    if issubclass(kind, Mapping):
        return _mapping(args)
    if not issubclass(kind, (Sequence, set, frozenset, typing.Iterable)) or len(args) != 1:
        return None
    build = builder_of(args[0])
    if build is None:
        return None

    def elements(data: Any, where: str) -> Any:
        if not isinstance(data, (list, tuple, set, frozenset)):
            raise MisfitError(f"{where}: {shown(data)} ({type(data).__name__}) is no {kind.__name__}")
        made = [build(each, f"{where}[{index}]") for index, each in enumerate(data)]
        return kind(made) if kind in (set, frozenset) else made

    return elements


def _tuple(args: tuple[Any, ...]) -> Builder:
    """Return what builds a tuple: data has a list in its place."""
    repeated = len(args) == 2 and args[1] is Ellipsis
    builders = [builder_of(arg) for arg in args if arg is not Ellipsis]

    def build(data: Any, where: str) -> Any:
        if not isinstance(data, (list, tuple)):
            raise MisfitError(f"{where}: {shown(data)} ({type(data).__name__}) is no tuple")
        if args and not repeated and len(data) != len(builders):
            raise MisfitError(f"{where}: {shown(data)} has {len(data)} elements, not {len(builders)}")
        if not any(builders):
            return tuple(data)
        chosen = builders * len(data) if repeated else builders
        return tuple(
            each if make is None else make(each, f"{where}[{index}]")
            for index, (make, each) in enumerate(zip(chosen, data, strict=True))
        )

    return build


def _mapping(args: tuple[Any, ...]) -> Builder | None:
    """Return what builds a dict: keys that are numbers became text in JSON."""
    if len(args) != 2:
        return None
    key_kind, build_key, build = _bare(args[0]), builder_of(args[0]), builder_of(args[1])
    number = key_kind if key_kind in (int, float) else None
    if number is None and build_key is None and build is None:
        return None
    members = key_kind if isinstance(key_kind, type(Enum)) else ()
    #: The text of keys that are the values of members of an enum.
    numbers = frozenset(str(each.value) for each in members if isinstance(each.value, int))

    def key_of(key: Any, where: str) -> Any:
        if build_key is not None:
            return build_key(int(key) if isinstance(key, str) and key in numbers else key, where)
        if number is None or not isinstance(key, str):
            return key
        try:
            return number(key)
        except ValueError:
            raise MisfitError(f"{where}: the key {shown(key)} is no {number.__name__}") from None

    def make(data: Any, where: str) -> Any:
        if not isinstance(data, dict):
            raise MisfitError(f"{where}: {shown(data)} ({type(data).__name__}) is no dict")
        return {
            key_of(key, where): each if build is None else build(each, f"{where}[{shown(key)}]")
            for key, each in data.items()
        }

    return make
