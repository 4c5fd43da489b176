"""Which names a piece of Lua uses without declaring them: a parser for Lua 5.1 that resolves names to their scopes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
    \s+ | --[^\n]*
    | (?P<name>[A-Za-z_]\w*)
    | (?P<string>'(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*")
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<symbol>\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^\#<>=(){}\[\];:,.])
    """,
    re.VERBOSE,
)
_KEYWORDS: Final = frozenset(
    (
        *(
            "and",
            "break",
            "do",
            "else",
            "elseif",
            "end",
            "false",
            "for",
            "function",
            "if",
            "in",
            "local",
            "nil",
        ),
        *("not", "or", "repeat", "return", "then", "true", "until", "while"),
    )
)
_BINARY: Final = frozenset(
    ["+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or"]
)


class Token(NamedTuple):
    """One word or sign of a Lua text."""

    kind: str
    text: str


class Names(NamedTuple):
    """The names of a piece of Lua.

    Attributes:
        free: Names that it uses and doesn't declare.
        declared: Names of its outermost locals.
        used: Names of its outermost locals that it uses itself.
    """

    free: frozenset[str]
    declared: frozenset[str]
    used: frozenset[str]


def tokens(text: str) -> list[Token]:
    """The words and signs of a Lua text, without comments.

    Raises:
        ValueError: There is something in it that the scripts don't use, for example a long string.
    """
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"not understood: {text[at : at + 40]!r}")
        at = match.end()
        if match.lastgroup is not None:
            word = match[0]
            found.append(Token("keyword" if word in _KEYWORDS else match.lastgroup, word))
    return found


def names_of(text: str) -> Names:
    """The names that a Lua text declares at its outermost level, and those that it takes from elsewhere."""
    parser = _Parser(tokens(text))
    parser.chunk()
    return Names(frozenset(parser.free), frozenset(parser.scopes[0]), frozenset(parser.used))


class _Parser:
    """A recursive-descent parser that keeps nothing but names."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = [*found, Token("end", "")]
        self._at = 0
        self.scopes: list[set[str]] = [set()]
        self.free: set[str] = set()
        self.used: set[str] = set()

    @property
    def _next(self) -> str:
        token = self._tokens[self._at]
        return token.text if token.kind != "string" else "''"

    def _take(self, *expected: str) -> str:
        text = self._next
        if expected and text not in expected:
            raise ValueError(f"expected {' or '.join(expected)}, found {text!r}")
        self._at += 1
        return text

    def _accept(self, text: str) -> bool:
        found = self._next == text
        self._at += found
        return found

    def _name(self) -> str:
        if self._tokens[self._at].kind != "name":
            raise ValueError(f"expected a name, found {self._next!r}")
        return self._take()

    def _use(self, name: str) -> None:
        for depth in reversed(range(len(self.scopes))):
            if name in self.scopes[depth]:
                if depth == 0:
                    self.used.add(name)
                return
        self.free.add(name)

    def chunk(self) -> None:
        """The whole text."""
        self._statements()
        self._take("")

    def _block(self, *ends: str, declared: tuple[str, ...] = ()) -> str:
        self.scopes.append(set(declared))
        self._statements()
        end = self._take(*ends)
        self.scopes.pop()
        return end

    def _statements(self) -> None:
        while self._next not in ("end", "else", "elseif", "until", ""):
            self._statement()
            self._accept(";")

    def _statement(self) -> None:
        match self._next:
            case "local":
                self._local()
            case "if":
                self._if()
            case "for":
                self._for()
            case "while":
                self._take()
                self._expression()
                self._take("do")
                self._block("end")
            case "do":
                self._take()
                self._block("end")
            case "function":
                self._take()
                self._use(self._name())
                self._function()
            case "return":
                self._take()
                if self._next not in ("end", "else", "elseif", "until", "", ";"):
                    self._expressions()
            case "break":
                self._take()
            case _:
                self._suffixed()
                while self._accept(","):
                    self._suffixed()
                if self._accept("="):
                    self._expressions()

    def _local(self) -> None:
        self._take("local")
        if self._accept("function"):
            self.scopes[-1].add(self._name())
            self._function()
            return
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        if self._accept("="):
            self._expressions()
        self.scopes[-1].update(names)

    def _if(self) -> None:
        end = self._take("if")
        while end in ("if", "elseif"):
            self._expression()
            self._take("then")
            end = self._block("end", "else", "elseif")
        if end == "else":
            self._block("end")

    def _for(self) -> None:
        self._take("for")
        names = [self._name()]
        while self._accept(","):
            names.append(self._name())
        self._take("=", "in")
        self._expressions()
        self._take("do")
        self._block("end", declared=tuple(names))

    def _function(self) -> None:
        """Parameters and body."""
        self._take("(")
        names = []
        while self._next != ")":
            names.append(self._take())
            self._accept(",")
        self._take(")")
        self._block("end", declared=tuple(names))

    def _expressions(self) -> None:
        self._expression()
        while self._accept(","):
            self._expression()

    def _expression(self) -> None:
        while self._next in ("not", "-", "#"):
            self._take()
        self._operand()
        if self._next in _BINARY:
            self._take()
            self._expression()

    def _operand(self) -> None:
        token = self._tokens[self._at]
        if token.kind == "name" or token.text == "(":
            self._suffixed()
        elif token.text == "{":
            self._table()
        elif token.text == "function":
            self._take()
            self._function()
        elif token.kind in ("string", "number") or token.text in ("nil", "true", "false", "..."):
            self._take()
        else:
            raise ValueError(f"expected an expression, found {token.text!r}")

    def _suffixed(self) -> None:
        if self._accept("("):
            self._expression()
            self._take(")")
        else:
            self._use(self._name())
        while self._next in (".", ":", "[", "(", "{"):
            sign = self._take()
            if sign in (".", ":"):
                self._name()
            elif sign == "[":
                self._expression()
                self._take("]")
            elif sign == "(":
                if self._next != ")":
                    self._expressions()
                self._take(")")
            else:
                self._at -= 1
                self._table()

    def _table(self) -> None:
        self._take("{")
        while self._next != "}":
            if self._accept("["):
                self._expression()
                self._take("]")
                self._take("=")
            elif self._tokens[self._at].kind == "name" and self._tokens[self._at + 1].text == "=":
                self._take()
                self._take("=")
            self._expression()
            if self._next != "}":
                self._take(",", ";")
        self._take("}")
