"""Arguments are built from data by the type hints of the function that receives them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NewType, NotRequired, TypedDict

import pytest

from alsek import Broker, Message, task
from alsek.core.arguments.argument_builder import argument_builder, return_hint
from alsek.core.arguments.building import MisfitError, builder_of
from alsek.exceptions import ArgumentsRejectedError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.serialization import JsonSerializer

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

SERIALIZER = JsonSerializer()


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Address:
    street: str
    near: Address | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    number: int
    due: datetime
    total: Decimal
    colours: tuple[Colour, ...] = ()
    address: Address | None = None
    by_level: dict[Level, list[Address]] = field(default_factory=dict)
    weight: float = 0
    twice: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("a number is never below 0")


class Options(TypedDict):
    colour: Colour
    note: NotRequired[str]


class Point(NamedTuple):
    x: int
    colour: Colour = Colour.RED


class Model:
    """Has what pydantic's models have."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.n == other.n

    def __hash__(self) -> int:
        return self.n

    @classmethod
    def model_validate(cls, data: Any) -> Model:
        if not isinstance(data, dict) or "n" not in data:
            raise ValueError("n: Field required")
        return cls(data["n"])

    def model_dump(self) -> dict[str, Any]:
        return {"n": self.n}


Id = NewType("Id", int)
ORDER = Order(
    number=7,
    due=datetime(2027, 1, 31, tzinfo=UTC),
    total=Decimal("9.90"),
    colours=(Colour.RED, Colour.PAIR),
    address=Address("a", Address("b")),
    by_level={Level.LOW: [Address("c")]},
    weight=3,
)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Order, ORDER),
        (Order | None, None),
        (Order | None, ORDER),
        (list[Order], [ORDER, ORDER]),
        (dict[str, list[Colour]], {"a": [Colour.RED]}),
        (dict[int, Any], {1: 2}),
        (dict[int, Colour], {1: Colour.PAIR}),
        (Mapping[Level, int], {Level.LOW: 1}),
        (Sequence[Colour], [Colour.PAIR]),
        (set[Colour], {Colour.RED}),
        (tuple[int, Colour], (1, Colour.RED)),
        (tuple[Colour, ...], (Colour.RED,)),
        (tuple, (1, 2)),
        (tuple[()], ()),
        (Options, {"colour": Colour.RED}),
        (Options, {"colour": Colour.PAIR, "note": "n"}),
        (Point, Point(1, Colour.PAIR)),
        (Point, Point(1)),
        (Model, Model(3)),
        (list[Model | Colour], [Model(3), Colour.RED]),
        (Annotated[Colour, "x"], Colour.RED),
        (int | Colour, 3),
        (int | Colour, Colour.RED),
        (Level, Level.LOW),
        (Address, Address("a")),
    ],
)
def test_values_are_built_again(hint: Any, value: Any) -> None:
    """There and back through JSON, each hint makes what was given; a value that is built already stays."""
    build = builder_of(hint)
    assert build is not None
    back = build(SERIALIZER.reverse(SERIALIZER.forward(value)), "x")
    assert back == value
    assert type(back) is type(value)
    assert build(value, "x") == value


@pytest.mark.parametrize(
    "hint",
    [int, str, Any, dict, list, list[int], dict[str, Any], date, object, Id, int | None, Message, type, None],
)
def test_other_hints_build_nothing(hint: Any) -> None:
    """So that calls with plain values cost nothing more."""
    assert builder_of(hint) is None


@pytest.mark.parametrize(
    ("hint", "data", "text"),
    [
        (Order, {"number": 7}, r"order\.due is missing: Order needs it"),
        (
            Order,
            {"number": "7", "due": ORDER.due, "total": ORDER.total},
            r"order\.number: '7' \(str\) is no int",
        ),
        (
            Order,
            {"number": 7, "due": "soon", "total": ORDER.total},
            r"order\.due: 'soon' \(str\) is no datetime",
        ),
        (
            Order,
            {"number": -1, "due": ORDER.due, "total": ORDER.total},
            r"order: Order .* a number is never below 0",
        ),
        (
            Order,
            {"number": 7, "due": ORDER.due, "total": ORDER.total, "address": {"street": 1}},
            r"order\.address\.street: 1 \(int\) is no str",
        ),
        (
            Order,
            {"number": 7, "due": ORDER.due, "total": ORDER.total, "colours": ["red", "blue"]},
            r"order\.colours\[1\]: 'blue' is no value of Colour",
        ),
        (
            Order,
            {"number": 7, "due": ORDER.due, "total": ORDER.total, "x": 1},
            r"order\.x: Order has no such field",
        ),
        (Order, [1], r"order: \[1\] \(list\) is no Order"),
        (Options, {}, r"order\.colour is missing"),
        (Point, [1, "red", 3], "3 elements are too many"),
        (Point, ["a"], r"order\.x: 'a' \(str\) is no int"),
        (Model, {}, "order: n: Field required"),
        (Colour, ["red"], "is no value of Colour"),
        (Colour, {}, "is no value of Colour"),
        (list[Colour], "red", r"'red' \(str\) is no list"),
        (tuple[int, Colour], [1], "1 elements, not 2"),
        (dict[int, Colour], {"a": "red"}, "the key 'a' is no int"),
        (dict[str, Colour], [], "is no dict"),
        (int | Colour, "blue", "'blue' is no value of Colour"),
        (Point | Address, 3, "3 does not fit"),
    ],
)
def test_data_that_does_not_fit_is_named(hint: Any, data: Any, text: str) -> None:
    """The error says which field, and why."""
    build = builder_of(hint)
    assert build is not None
    with pytest.raises(MisfitError, match=text):
        build(data, "order")


def _function(
    order: Order, /, *rest: Colour, copies: int = 1, at: Point | None = None, **more: Level
) -> list[Order]:
    return [order]


def test_the_arguments_of_a_call_are_built() -> None:
    """By position, by name, and those of ``*`` and ``**``."""
    build = argument_builder(_function)
    assert build is not None
    data = SERIALIZER.reverse(SERIALIZER.forward([ORDER]))
    args, kwargs = build([*data, "red", [1, 2]], {"copies": 2, "at": [1, "red"], "order": 1, "level": 1})
    assert args == (ORDER, Colour.RED, Colour.PAIR)
    assert kwargs == {"copies": 2, "at": Point(1), "order": Level.LOW, "level": Level.LOW}
    result = builder_of(return_hint(_function))
    assert result is not None
    assert result(data, "result") == [ORDER]


def _with_an_unknown_hint(order: Order, other: Unknown) -> Unknown:
    return other


@dataclass
class Partly:
    order: Order
    other: Unknown


def test_a_hint_that_cannot_be_resolved_is_left_out() -> None:
    """The other hints, of the function or of the class, count all the same."""
    build = argument_builder(_with_an_unknown_hint)
    assert build is not None
    data = SERIALIZER.reverse(SERIALIZER.forward(ORDER))
    assert build([data, {"x": 1}], {}) == ((ORDER, {"x": 1}), {})
    assert return_hint(_with_an_unknown_hint) is None
    partly = builder_of(Partly)
    assert partly is not None
    assert partly({"order": data, "other": 3}, "x") == Partly(ORDER, 3)


def test_a_task_is_given_what_its_function_declares() -> None:
    """And data that does not fit is rejected: no retry can mend it."""
    broker = Broker(MemoryBackend())

    @task(broker)
    def invoice(order: Order, message: Message, copies: int = 1) -> Decimal:
        assert isinstance(order, Order)
        assert isinstance(message, Message)
        return order.total * copies

    message = invoice.generate(args=[ORDER], kwargs={"copies": 2})
    stored = broker.backend.messages.get(message.queue, message.uuid)
    assert stored is not None
    wire = SERIALIZER.reverse(stored.payload)
    message = Message(task_name="invoice", args=wire["args"], kwargs=wire["kwargs"])
    assert invoice.op(message) == Decimal("19.80")
    with pytest.raises(ArgumentsRejectedError, match=r"task 'invoice': order\.due is missing"):
        invoice.op(Message(task_name="invoice", args=[{"number": 7}]))


def test_models_of_pydantic_are_built() -> None:
    """A real one, with another in it; what does not fit is told in pydantic's words."""
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        at: datetime

    class Outer(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        inner: Inner
        total: Decimal = Decimal(0)

    value = Outer(inner=Inner(at=datetime(2027, 1, 31, tzinfo=UTC)), total=Decimal("9.90"))
    build = builder_of(list[Outer])
    assert build is not None
    assert build(SERIALIZER.reverse(SERIALIZER.forward([value])), "x") == [value]
    with pytest.raises(MisfitError, match=r"(?s)x\[0\]: .*inner.*Field required"):
        build([{}], "x")
