"""What a Python file imports, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import of one module.

    Attributes:
        module: As it is written.
        names: What is taken from it; empty for `import module`.
        at_import: It happens when the file is imported, not later in a function, nor for type checkers alone.
        for_types: It is for type checkers alone.
        line: Where.
    """

    module: str
    names: tuple[str, ...]
    at_import: bool
    for_types: bool
    line: int


@cache
def imports_of(file: Path) -> tuple[Import, ...]:
    """All imports in a file, wherever they stand."""
    return tuple(_walk(ast.parse(file.read_text()), at_import=True, for_types=False))


def _walk(node: ast.AST, *, at_import: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, (), at_import, for_types, child.lineno)
        elif isinstance(child, ast.ImportFrom):
            assert child.module is not None
            assert child.level == 0, "imports are absolute"
            names = tuple(alias.name for alias in child.names)
            yield Import(child.module, names, at_import, for_types, child.lineno)
        elif isinstance(child, ast.If) and _asks_for_types(child.test):
            for part in child.body:
                yield from _walk(ast.Module([part], []), at_import=False, for_types=True)
            yield from _walk(ast.Module(child.orelse, []), at_import=at_import, for_types=for_types)
        elif not isinstance(child, ast.expr):  # an import is a statement, and none is in an expression
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _walk(child, at_import=at_import and not later, for_types=for_types)


def _asks_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
