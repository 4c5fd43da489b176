"""The blocks of code of a Markdown page, by chapter, in order."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
_HEADING = re.compile(r"^(#+) +(.+?)\s*$")

#: What `generate()` and `get()` return, a look at a store, a loop, a bare call: the producer's part, which a worker
#: must not repeat.
_ACTS = re.compile(
    r"\.(generate|generate_many|get|submit|submit_many|wait_for|acquire|run|istream|stream)\(|\binspector\.\w+\("
)


class Block(NamedTuple):
    """One fenced block.

    Attributes:
        line: Of its first line of code, from 1.
        headings: Those above it, outermost first, without the page's title.
        code: Without the page's indentation.
    """

    line: int
    headings: tuple[str, ...]
    language: str
    code: str

    @property
    def chapter(self) -> str:
        """The second-level heading: blocks of one share their names, as a reader would have it."""
        return self.headings[0]


def blocks_of(page: Path, language: str) -> list[Block]:
    """All blocks of a language."""
    found: list[Block] = []
    headings: dict[int, str] = {}
    opened: tuple[int, str, str] | None = None
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if opened is not None:
            first, indent, of = opened
            if fence is not None and not fence["language"] and fence["indent"] == indent:
                opened = None
                if of == language:
                    code = textwrap.dedent("\n".join(lines[first - 1 : number - 1])) + "\n"
                    path = tuple(text for level, text in sorted(headings.items()) if level > 1)
                    found.append(Block(first, path, language, code))
        elif fence is not None:
            opened = (number + 1, fence["indent"], fence["language"])
        elif heading := _HEADING.match(line):
            level = len(heading[1])
            headings = {n: text for n, text in headings.items() if n < level} | {level: heading[2]}
    assert opened is None, f"{page}: the block at line {opened and opened[0]} has no end"
    return found


def headings_of(page: Path) -> list[str]:
    """All headings below the page's title, each with those above it: ``Tasks / Callbacks / Nested``."""
    path: dict[int, str] = {}
    found = []
    inside = False
    for line in page.read_text().splitlines():
        if _FENCE.match(line):
            inside = not inside
        heading = None if inside else _HEADING.match(line)
        if heading is not None and len(heading[1]) > 1:
            level = len(heading[1])
            path = {n: text for n, text in path.items() if n < level} | {level: heading[2]}
            found.append(" / ".join(text for _, text in sorted(path.items())))
    return found


def chapters(blocks: list[Block]) -> dict[str, list[Block]]:
    """The blocks of each chapter."""
    found: dict[str, list[Block]] = {}
    for block in blocks:
        found.setdefault(block.chapter, []).append(block)
    return found


def definitions(code: str) -> str:
    """What of a block belongs into the module that a worker imports: what it defines, not what it does."""
    kept = []
    for node in ast.parse(code).body:
        source = ast.get_source_segment(code, node) or ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            kept.append("\n".join(code.splitlines()[first - 1 : node.end_lineno]))
        elif isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Assign | ast.AnnAssign) and not _ACTS.search(source)
        ):
            kept.append(source)
    return "\n".join(kept) + "\n"


def stated_outputs(code: str) -> dict[int, str]:
    """For the line on which an expression ends, what a comment right below it says that it gives."""
    lines = code.splitlines()
    return {
        number: match[1].strip()
        for number, line in enumerate(lines)
        if number and (match := re.match(r"# Output: (.+)", line)) is not None
    }
