"""Serializers around serializers: compression and encryption."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from alsek import Broker, Compressed, Encrypted, JsonSerializer, MemoryBackend, Serializer, task
from alsek.exceptions import CorruptMessageError, ValidationError

LONG = {"text": "all work and no play " * 1_000}
OLD, NEW = Encrypted.new_key(), Encrypted.new_key()


class _Latin(Serializer):
    """Writes text in bytes that begin as the marks do."""

    def forward(self, obj: Any) -> bytes:
        return b"\x01z\x01e" + str(obj).encode()

    def reverse(self, obj: bytes) -> Any:
        return obj.removeprefix(b"\x01z\x01e").decode()


@pytest.mark.parametrize(
    "serializer",
    [
        Compressed(JsonSerializer()),
        Encrypted(JsonSerializer(), keys=[NEW, OLD]),
        Encrypted(Compressed(JsonSerializer()), keys=[NEW]),
        Compressed(Encrypted(JsonSerializer(), keys=[NEW])),
    ],
    ids=repr,
)
@pytest.mark.parametrize("value", [None, [], {"a": [b"\x00", 1.5]}, LONG], ids=range(4))
def test_values_come_back(serializer: Serializer, value: Any) -> None:
    """Short and long ones, in any nesting of serializers."""
    assert serializer.reverse(serializer.forward(value)) == value


def test_long_data_is_compressed_and_short_data_is_not() -> None:
    """Data that gains nothing by it stays as it is."""
    serializer = Compressed(JsonSerializer(), at_least=100)
    assert len(serializer.forward(LONG)) < 1_000
    assert serializer.forward({"a": 1}) == b'{"a":1}'
    random = Encrypted.new_key() * 3
    assert serializer.forward(random) in (JsonSerializer().forward(random), serializer.forward(random))


def test_data_of_before_is_read() -> None:
    """A store may change to compression."""
    assert Compressed(JsonSerializer()).reverse(JsonSerializer().forward(LONG)) == LONG


def test_data_that_looks_like_compressed_data_is_not_mistaken() -> None:
    """Whatever the inner serializer writes comes back."""
    serializer = Compressed(_Latin())
    assert serializer.reverse(serializer.forward("x")) == "x"
    assert serializer.reverse(serializer.forward("x" * 5_000)) == "x" * 5_000


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:2] + b"\x00" + data[3:]])
def test_damaged_compressed_data_is_an_error(damage: Any) -> None:
    """Never something else in its place."""
    serializer = Compressed(JsonSerializer())
    with pytest.raises(ValueError, match="compressed data"):
        serializer.reverse(damage(serializer.forward(LONG)))


def test_data_does_not_grow_without_bound() -> None:
    """A few bytes can't fill the memory of a worker."""
    bomb = b"\x01z" + zlib.compress(b" " * 10_000_000)
    with pytest.raises(ValueError, match="longer than 1000000 bytes"):
        Compressed(JsonSerializer(), most=1_000_000).reverse(bomb)


def test_encrypted_data_shows_nothing() -> None:
    """And is another each time."""
    serializer = Encrypted(JsonSerializer(), keys=[NEW])
    first, second = serializer.forward("secret word"), serializer.forward("secret word")
    assert first != second
    assert b"secret" not in first


def test_keys_rotate() -> None:
    """The first one encrypts, and all of them decrypt."""
    before = Encrypted(JsonSerializer(), keys=[OLD])
    between = Encrypted(JsonSerializer(), keys=[NEW, OLD])
    after = Encrypted(JsonSerializer(), keys=[NEW])
    assert between.reverse(before.forward(1)) == 1
    assert after.reverse(between.forward(1)) == 1
    with pytest.raises(ValueError, match="not among the keys"):
        after.reverse(before.forward(1))


@pytest.mark.parametrize("place", [2, 12, -1])
def test_forged_data_is_refused(place: int) -> None:
    """A changed byte anywhere: in the name of the key, the nonce or the text."""
    serializer = Encrypted(JsonSerializer(), keys=[NEW])
    data = bytearray(serializer.forward("x"))
    data[place] ^= 1
    with pytest.raises(ValueError, match=r"damaged or forged|not among the keys"):
        serializer.reverse(bytes(data))
    for cut in (b"\x01e", bytes(data[:15])):
        with pytest.raises(ValueError, match=r"damaged or forged|not among the keys"):
            serializer.reverse(cut)


def test_plain_data_is_read_only_if_that_is_allowed() -> None:
    """Or who can write to the store could forge messages."""
    plain = JsonSerializer().forward({"a": 1})
    with pytest.raises(ValueError, match="not encrypted"):
        Encrypted(JsonSerializer(), keys=[NEW]).reverse(plain)
    assert Encrypted(JsonSerializer(), keys=[NEW], read_plain=True).reverse(plain) == {"a": 1}


@pytest.mark.parametrize("keys", [[], NEW, ["short"], [NEW, b"\xff" * 44], [7], ["é" * 44]], ids=range(6))
def test_bad_keys_are_refused_and_not_shown(keys: Any) -> None:
    """An error shows no secret."""
    with pytest.raises(ValidationError) as caught:
        Encrypted(JsonSerializer(), keys=keys)
    assert NEW not in str(caught.value)
    assert NEW not in repr(Encrypted(JsonSerializer(), keys=[NEW]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Compressed(None),  # type: ignore[arg-type]
        lambda: Compressed(JsonSerializer(), level=10),
        lambda: Compressed(JsonSerializer(), at_least=-1),
        lambda: Encrypted(JsonSerializer, keys=[NEW]),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_refused(make: Any) -> None:
    """With a sentence."""
    with pytest.raises(ValidationError, match=r"of (Compressed|Encrypted)"):
        make()


def test_messages_are_encrypted_in_the_store() -> None:
    """A store sees neither arguments nor task names; another key can't read them."""
    backend = MemoryBackend(serializer=Encrypted(JsonSerializer(), keys=[NEW]))
    broker = Broker(backend)

    @task(broker)
    def pay(card: str) -> None: ...

    message = pay.generate(args=["4111"])
    stored = backend.messages.get(message.queue, message.uuid)
    assert stored is not None
    assert b"4111" not in stored.payload
    assert broker.sync_from_backend(message).args == ("4111",)
    backend.serializer = Encrypted(JsonSerializer(), keys=[OLD])
    with pytest.raises(CorruptMessageError):
        broker.sync_from_backend(message)
