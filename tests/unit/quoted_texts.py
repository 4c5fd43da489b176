"""The texts of errors and log lines: as the code has them, and as a page quotes them, with `…` for what differs."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.unit.named_tests import ROOT

_PLACEHOLDER = re.compile(r"%[-.\d]*[sdrfg]")
_LUA_TEXT = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")


class Text(NamedTuple):
    """One text of the code.

    Attributes:
        file: Where it stands, from the root of the repository.
        line: From 1.
        text: With `…` for each placeholder.
        use: What is called with it: an exception's class, or `log.warning`; empty if it is used otherwise.
    """

    file: str
    line: int
    text: str
    use: str


@functools.cache
def texts_of_the_code() -> tuple[Text, ...]:
    """All texts in the packages' modules and scripts."""
    found: list[Text] = []
    for path in sorted((ROOT / "packages").glob("*/src/**/*")):
        if path.suffix == ".py":
            found += _of_module(path)
        elif path.suffix == ".lua":
            file = str(path.relative_to(ROOT))
            for match in _LUA_TEXT.finditer(path.read_text()):
                found.append(Text(file, 0, match[1] or match[2] or "", ""))
    return tuple(found)


def _of_module(path: Path) -> Iterator[Text]:
    file = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text())
    uses: dict[ast.expr, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            texts = [each for each in node.args if isinstance(each, ast.Constant | ast.JoinedStr)]
            if texts:
                uses.update(dict.fromkeys(texts, ast.unparse(node.func)))
    inside: set[ast.AST] = set()  # of docstrings, and of other texts
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            inside.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            inside.update(node.values)
            yield Text(file, node.lineno, _joined(node), uses.get(node, ""))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield Text(file, node.lineno, _PLACEHOLDER.sub("…", node.value), uses.get(node, ""))


def _joined(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def is_of_the_code(quoted: str) -> bool:
    """Whether the code has such a text, or one for each part of it before and after a colon."""
    texts = texts_of_the_code()
    if any(is_quoted_from(quoted, each.text) for each in texts):
        return True
    parts = [part for part in _PREFIX.sub("", quoted).split(": ") if len(re.findall(r"[a-z]{2,}", part)) > 1]
    parts = [part for part in parts if part not in _WHERE]
    return bool(parts) and all(any(is_quoted_from(part, each.text) for each in texts) for part in parts)


def is_quoted_from(quoted: str, text: str) -> bool:
    """Whether a quotation is `text`, or a part of it.

    A `…` on either side stands for any words of the other, but most of the quotation's words must be the text's own.
    """
    ours, theirs = _words(_PREFIX.sub("", quoted)), _words(text)
    literal = sum(word != _ANY for word in ours)
    if literal < 2:
        return ours == theirs[: len(ours)]
    if sum(word in _set_of_words(text) for word in ours if word != _ANY) < max(2, literal / 2):
        return False
    return max(_shared(ours, theirs[start:]) for start in range(len(theirs))) >= max(2, literal / 2)


_ANY = "…"
#: What a store's errors begin with.
_WHERE = ("SQLite file …", "Redis at host:port/0")
#: What Python or the command writes before an error's own text.
_PREFIX = re.compile(r"^(?:\w+(?:Error|Warning): |alsek: )")


@functools.cache
def _words(text: str) -> list[str]:
    words = [word.strip("'.") for word in re.findall(r"…|[\w'.-]+", text)]
    return [word for word in words if word]


@functools.cache
def _set_of_words(text: str) -> frozenset[str]:
    return frozenset(_words(text))


def _shared(ours: list[str], theirs: list[str]) -> int:
    """How many words both have, if all of `ours` can be laid over the beginning of `theirs`; -1 if it can't."""

    @functools.cache
    def best(i: int, j: int) -> int:
        if i == len(ours):
            return 0
        found = -1
        if j < len(theirs) and ours[i] == theirs[j] != _ANY:
            found = _plus(best(i + 1, j + 1), 1)
        if ours[i] == _ANY:
            found = max(found, best(i + 1, j), best(i, j + 1) if j < len(theirs) else -1)
        if j < len(theirs) and theirs[j] == _ANY:
            found = max(found, best(i, j + 1), best(i + 1, j))
        return found

    return best(0, 0)


def _plus(found: int, more: int) -> int:
    return found + more if found >= 0 else -1
