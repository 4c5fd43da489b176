"""The template of a key: text in which ``{name}`` stands for an argument of the function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple

from alsek.core.keys.canonical import text_of_value
from alsek.core.short_repr import shown
from alsek.exceptions import ArgumentsError, ValidationError
from alsek.storage.serialization import Serializer

_HOW = "write {name} for an argument of the function, and {{ or }} for a brace"


class Piece(NamedTuple):
    """A piece of a template: text, and the name of the argument behind it, if there is one."""

    text: str
    name: str | None


class Template:
    """A template that was read.

    Attributes:
        pieces: Its pieces, in order.
        names: The names of the arguments in it, each once.
    """

    __slots__ = ("_key", "names", "pieces")

    def __init__(self, key: str) -> None:
        self._key = key
        self.pieces = tuple(_pieces(key))
        self.names = tuple(dict.fromkeys(piece.name for piece in self.pieces if piece.name is not None))

    def filled(self, arguments: Mapping[str, Any], serializer: Serializer) -> str:
        """Return the text with the values of these arguments.

        Raises:
            ArgumentsError: One is not among them.
            SerializationError: The serializer can't take a value.
        """
        text = ""
        for piece in self.pieces:
            text += piece.text
            if piece.name is not None:
                if piece.name not in arguments:
                    raise ArgumentsError(f"key={self._key!r}: the call has no argument {piece.name!r}")
                text += text_of_value(arguments[piece.name], serializer)
        return text


@lru_cache(maxsize=1_024)
def template(key: str) -> Template:
    """Read a template.

    Raises:
        ValidationError: It has a brace too many, or more than plain names in braces.
    """
    return Template(key)


def checked_key(key: Any, where: str) -> None:
    """Check what was given as a key.

    Raises:
        ValidationError: It is neither None nor a template.
    """
    if key is None:
        return
    if not isinstance(key, str):
        raise ValidationError(f"key={shown(key)} of {where}: must be None or text")
    template(key)


def _pieces(key: str) -> Iterator[Piece]:
    found: list[tuple[Any, ...]]
    try:
        found = list(Formatter().parse(key))
    except ValueError as error:
        raise ValidationError(f"key={key!r}: {error}: {_HOW}") from error
    for text, name, form, conversion in found:
        if name is not None and (not name.isidentifier() or form or conversion):
            inner = f"{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
            raise ValidationError(f"key={key!r}: {{{inner}}} is no plain name: {_HOW}")
        yield Piece(text, name)
