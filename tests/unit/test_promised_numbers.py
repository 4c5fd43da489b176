"""Each number in the documents is held by a test, is a value of the code, or says that it promises nothing.

`promises.toml` beside this file has an entry for each: the words of the page, and what holds them. A number that has
no entry, an entry whose words the page no longer has, and a test or value that does not exist are errors here.
"""

from __future__ import annotations

import functools
import importlib
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.named_tests import NAME, ROOT, missing

TABLE = Path(__file__).with_name("promises.toml")
#: One has measurements alone, the other repeats what commands say of themselves.
_WITHOUT = {"performance.md", "cli.md"}
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in _WITHOUT),
]

#: Tests in these folders use real stores or real pools. A promise needs one of them.
END_TO_END = (
    "tests/integration/",
    "tests/chaos/",
    "tests/contract/",
    "tests/unit/redis/",
    "tests/unit/sqlite/",
)

_WORDS = {
    "a": 1.0,
    "an": 1.0,
    "half a": 0.5,
    "one": 1.0,
    "once a": 1.0,
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "six": 6.0,
    "eight": 8.0,
    "ten": 10.0,
}
_TIMES = {"ms": 1, "millisecond": 1, "s": 1_000, "second": 1_000, "minute": 60_000, "hour": 3_600_000}
_TIMES |= {"day": 24 * 3_600_000, "week": 7 * 24 * 3_600_000, "year": 365 * 24 * 3_600_000}
_SIZES = {"MB": 10**6, "MiB": 2**20, "kB": 1024, "bytes": 1, "characters": 1, "digits": 1}
_COUNTS = dict.fromkeys(["messages", "tasks", "runs", "losses", "times"], 1)
_UNITS = _TIMES | {f"{unit}s": size for unit, size in _TIMES.items() if len(unit) > 2} | _SIZES | _COUNTS

_FIGURE = r"\d[\d,]*(?:\.\d+)?"
_WITH_UNIT = re.compile(
    rf"(?<![\w.`/-])(?P<number>{_FIGURE}|{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    rf"(?:-|\s+)(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})\b"
    r"(?! (?:one|time|half|signal)\b)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:(?P<before>at most|at least|up to|more than|every|pieces of|\() ?)(?P<number>(?!1\b)\d[\d,]*)(?!\.?\d|[\w<])"
    r"|(?<![\w.,<>-])(?P<large>\d{2,}(?:,\d+)*)(?:nd|rd|th)?(?!\.?\d|[\w<>])"
)
#: Code, links, headings, and of a table of options the name and the default (`test_docs.py` compares these with the
#: command).
_NOT_PROSE = re.compile(
    r"(?s:^```.*?^```)|`[^`\n]*`|\]\([^)]*\)|\[decision \d+|^#+ .*|^\|.*`--\w+`[^|]*\|[^|]*\|", re.MULTILINE
)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


class Number(NamedTuple):
    """A number that stands in the prose of a page.

    Attributes:
        start: Where in the page's text.
        line: From 1.
        text: As it stands there.
        value: In ms, bytes or pieces.
    """

    start: int
    line: int
    text: str
    value: float


def numbers_in(text: str) -> list[Number]:
    """All numbers with a unit, and those without that bound something; code, links and tables of options left out."""
    prose = _NOT_PROSE.sub(lambda match: re.sub(r"[^\n]", "\0", match.group()), text)
    found: dict[int, Number] = {}
    for match in [*_WITH_UNIT.finditer(prose), *_BARE.finditer(prose)]:
        group = "large" if match.groupdict().get("large") else "number"
        start, number = match.start(group), match.group(group)
        unit = match.groupdict().get("unit")
        size = _UNITS.get(unit, _UNITS.get((unit or "").lower(), 1)) if unit is not None else 1
        value = _WORDS.get(number.lower()) or float(number.replace(",", ""))
        if value == 1 and unit in _COUNTS:  # "this one runs …"
            continue
        if not any(each.start <= start < each.start + len(each.text) for each in found.values()):
            shown = text[start : match.end()]
            found[start] = Number(start, text.count("\n", 0, start) + 1, shown, value * size)
    return sorted(found.values())


def entries_of(page: Path) -> dict[str, list[str]]:
    """The words of the page that have an entry, and what holds them."""
    entries = _table().get(_name(page), {})
    return {words: [held] if isinstance(held, str) else held for words, held in entries.items()}


@functools.cache
def _table() -> dict[str, dict[str, str | list[str]]]:
    return tomllib.loads(TABLE.read_text())


def spans_of(words: str, text: str) -> list[tuple[int, int]]:
    """Where the words stand in the text, however its lines are broken."""
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    return [match.span() for match in re.finditer(pattern, text)]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_each_number_has_an_entry(page: Path) -> None:
    """No page promises a number of which nobody has said what holds it."""
    text = page.read_text()
    covered = [span for words in entries_of(page) for span in spans_of(words, text)]
    problems = [
        f"{_name(page)}:{number.line} promises {number.text!r} in {_around(text, number)!r}: name the test that holds "
        f"it (or the value in the code, or 'explains: …') in {TABLE.relative_to(ROOT)}, under [\"{_name(page)}\"]"
        for number in numbers_in(text)
        if not any(start <= number.start < end for start, end in covered)
    ]
    assert not problems, "\n".join(problems)


def _around(text: str, number: Number) -> str:
    return " ".join(text[max(0, number.start - 50) : number.start + 40].split())


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_each_entry_holds(page: Path) -> None:
    """Its words stand on the page with a number in them, and what it names exists and has that number."""
    text = page.read_text()
    numbers = numbers_in(text)
    problems = []
    for words, held in entries_of(page).items():
        spans = spans_of(words, text)
        if not spans:
            problems.append(f"{_name(page)} does not say {words!r}: change or delete the entry")
            continue
        values = {each.value for each in numbers if any(start <= each.start < end for start, end in spans)}
        if not values:
            problems.append(f"there is no number in {words!r}")
        tests = [each for each in held if each.startswith("tests/")]
        if tests and not any(each.startswith(END_TO_END) for each in tests):
            problems.append(f"{words!r} needs a test with real stores or pools ({', '.join(END_TO_END)})")
        problems += [f"{words!r}: {problem}" for each in held if (problem := _problem(each, values))]
    assert not problems, "\n".join(problems)


def _problem(held: str, values: set[float]) -> str:
    """What is wrong with what holds these numbers; empty if nothing is."""
    if held.startswith("tests/"):
        match = NAME.fullmatch(held)
        return missing(*match.groups()) if match is not None else f"{held!r} is no name of a test"
    if held.startswith("alsek."):
        value = _value(held)
        return "" if value in values else f"{held} is {value:g}, the page says {sorted(values)}"
    if held.startswith("packages/"):
        file, _, source = held.partition(": ")
        return "" if source in (ROOT / file).read_text() else f"{file} does not say {source!r}"
    return (
        ""
        if held.startswith("explains: ")
        else f"{held!r}: 'tests/…', 'alsek.…', 'packages/…: …' or 'explains: …'"
    )


def test_each_page_of_the_table_is_a_page() -> None:
    """No entry is for a page that is not looked at."""
    assert set(_table()) <= {_name(page) for page in PAGES}


def _value(named: str) -> float:
    """Of a constant: `alsek.module.NAME`, and ` s` after it if it is in seconds."""
    path, _, unit = named.partition(" ")
    module, _, name = path.rpartition(".")
    return float(getattr(importlib.import_module(module), name)) * _UNITS.get(unit, 1)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("one\n  week; this one runs (6.2 or newer), more than 1", [604_800_000]),
        ("## 10. What waits", []),
        ("within 2.5 s, or a second and 250 ms", [2500, 1000, 250]),
        ("half a minute, an hour, once a second, one week", [30_000, 3_600_000, 1000, 604_800_000]),
        ("20,000 tasks add 15 MB", [20_000, 15_000_000]),
        ("up to 500 at once, at most 16 are kept (5), all 64 of them", [500, 16, 5, 64]),
        ("every 32nd transaction", [32]),
        ("a second one comes a second time", []),
        ("`5 s` in code, [decision 10](x.md), Python 3.11, redis-py 5.0.1", []),
        ("```\nsleep 10 s\n```\n", []),
        ("| `--lease` | 15000 | ms | at least 300 |", [300]),
    ],
)
def test_numbers_are_found(text: str, values: list[float]) -> None:
    """What counts as a number of a page."""
    assert [number.value for number in numbers_in(text)] == values
