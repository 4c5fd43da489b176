"""Which one-token mistakes a Python source can have."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import NamedTuple


class Mutation(NamedTuple):
    """One mistake: the text between two places of a source, and what stands there instead.

    Attributes:
        line: Where it is.
        begin: The offset in the source, in bytes.
        end: The same, of its end.
        old: What stands there.
        new: What is put there.
    """

    line: int
    begin: int
    end: int
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The source with the mistake in it."""
        data = source.encode()
        return (data[: self.begin] + self.new.encode() + data[self.end :]).decode()

    def __str__(self) -> str:
        return f"line {self.line}: {' '.join(self.old.split())[:60]!r} -> {' '.join(self.new.split())[:60]!r}"


_COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
_SUMS = {ast.Add: ("+", "-"), ast.Sub: ("-", "+")}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutations(source: str) -> list[Mutation]:
    """All mistakes of this kind, in the order of the source."""
    return sorted(set(_Finder(source).all()))


class _Finder:
    def __init__(self, source: str) -> None:
        self._data = source.encode()
        self._tree = ast.parse(source)
        self._starts = [0]
        for line in self._data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def all(self) -> Iterator[Mutation]:
        for function in ast.walk(self._tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for statement in function.body:
                    for node in ast.walk(statement):
                        yield from self._of(node)

    def _of(self, node: ast.AST) -> Iterator[Mutation]:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield from self._between(left, right, *_COMPARISONS[type(op)])
            case ast.BoolOp(op=op, values=values):
                old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for before, after in itertools.pairwise(values):
                    yield from self._between(before, after, old, new)
            case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=left, right=right):
                yield from self._between(left, right, *_SUMS[type(op)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._replaced(node, self._text(operand))
            case ast.Constant(value=bool() as value):
                yield self._replaced(node, str(not value))
            case ast.Constant(value=int() as value):
                yield self._replaced(node, str(value + 1))
            case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
                yield self._replaced(node.func, _CALLS[name])
            case ast.Expr(value=ast.Call()):
                if not self._text(node).startswith(("log.", "super()")):
                    yield self._replaced(node, "pass")
            case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Constant):
                yield self._replaced(test, f"not ({self._text(test)})")
            case ast.Assign(targets=[ast.Attribute() as target]) if not isinstance(node.value, ast.Lambda):
                yield self._replaced(node, f"{self._text(target)} = {self._text(target)}")

    def _between(self, before: ast.AST, after: ast.AST, old: str, new: str) -> Iterator[Mutation]:
        begin, end = self._place(before)[1], self._place(after)[0]
        found = self._data.find(old.encode(), begin, end)
        if found >= 0:
            yield Mutation(before.end_lineno, found, found + len(old), old, new)  # type: ignore[attr-defined]

    def _replaced(self, node: ast.AST, new: str) -> Mutation:
        begin, end = self._place(node)
        return Mutation(node.lineno, begin, end, self._text(node), new)  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        begin, end = self._place(node)
        return self._data[begin:end].decode()

    def _place(self, node: ast.AST) -> tuple[int, int]:
        return (
            self._starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self._starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )
