"""The scripts, held against what their heads promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis

from alsek.storage.backends.redis.client import script
from alsek.storage.backends.redis.client.script import SERVER_CLOCK, load

FOLDER = Path(script.__file__).parents[1] / "scripts"
SCRIPTS = sorted(FOLDER.glob("*.lua"))
PARTS = sorted(FOLDER.glob("shared/*.lua"))
pytestmark = pytest.mark.redis


def _head_and_body(path: Path) -> tuple[str, str]:
    lines = path.read_text("utf-8").splitlines()
    end = next(n for n, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end]), "\n".join(line.partition("-- ")[0] for line in lines[end:])


def _listed(word: str, path: Path) -> list[Path]:
    found = re.search(rf"^-- {word}: (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return [FOLDER / "shared" / f"{name}.lua" for name in found.group(1).split()] if found else []


def _needs(path: Path) -> list[Path]:
    return _listed("Needs", path) + _listed("Rarely", path)


def _numbers(text: str, array: str) -> set[int]:
    return {int(number) for number in re.findall(rf"\b{array}\[(\d+)", text)}


@pytest.mark.parametrize("path", SCRIPTS + PARTS, ids=lambda path: path.stem)
def test_the_head_names_what_is_used(path: Path) -> None:
    """Each key and argument that a file uses by number stands in its head, and no key that it does not use."""
    head, body = _head_and_body(path)
    inherited = set().union(*(_numbers(_head_and_body(part)[0], "ARGV") for part in _needs(path)), {1})
    assert _numbers(body, "ARGV") <= _numbers(head, "ARGV") | inherited
    assert _numbers(body, "KEYS") == _numbers(head, "KEYS")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_head_says_what_is_answered(path: Path) -> None:
    """Each script begins with a sentence on what it does, and says what it returns and which parts it needs."""
    head, _ = _head_and_body(path)
    assert re.match(r"-- [A-Z]", head)
    assert "-- Returns: " in head
    assert _needs(path)


@pytest.mark.parametrize("path", SCRIPTS + PARTS, ids=lambda path: path.stem)
def test_no_file_is_long(path: Path) -> None:
    """A file fits on a screen: eighty lines."""
    assert len(path.read_text("utf-8").splitlines()) <= 80


@pytest.mark.parametrize("path", SCRIPTS + PARTS, ids=lambda path: path.stem)
def test_no_script_walks_over_the_keyspace(path: Path) -> None:
    """No step's cost grows with what else is stored."""
    assert not re.search(r"'(KEYS|SCAN|FLUSHDB|FLUSHALL)'", path.read_text("utf-8"))


def test_every_part_is_needed() -> None:
    """Nothing lies in the folder that no script uses."""
    assert {part for path in SCRIPTS for part in _needs(path)} == set(PARTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_asked_for_rarely_is_there(path: Path) -> None:
    """`rarely().name` names a function of a part that the script lists as needed rarely, and of no other."""
    often = "".join(part.read_text("utf-8") for part in (path, *_listed("Needs", path)))
    seldom = "".join(part.read_text("utf-8") for part in _listed("Rarely", path))
    asked = set(re.findall(r"rarely\(\)\.(\w+)", often))
    made = set(re.findall(r"^local function (\w+)", seldom, re.MULTILINE))
    assert asked <= made
    assert bool(asked) == bool(made)
    assert "rarely()" not in seldom
    for name in made - asked:
        assert not re.search(rf"(?<![.\w]){name}\(", re.sub(r"--.*", "", often)), name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_servers_of_both_ages_can_read_it(path: Path, redis_url: str) -> None:
    """Both texts of a script compile, and their digests are the server's."""
    client = redis.Redis.from_url(redis_url)
    source = load(path.stem, SERVER_CLOCK)
    assert client.script_load(source.plain).encode() == source.plain_sha
    if int(client.info("server")["redis_version"].split(".")[0]) >= 7:
        assert client.script_load(source.flagged).encode() == source.flagged_sha
    client.close()
