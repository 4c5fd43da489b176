"""What the scripts and the shared fragments declare that they need, held against the names that they use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from alsek.storage.backends.redis.client.script import SERVER_CLOCK, fragments, load
from tests.unit.redis.lua_names import names_of, tokens
from tests.unit.redis.test_scripts import FOLDER, FRAGMENTS, SCRIPTS

#: What Lua and Redis provide.
BUILTIN: Final = frozenset(
    (
        *("KEYS", "ARGV", "redis", "cjson", "string", "math", "table", "tonumber", "tostring", "type"),
        *("ipairs", "pairs", "unpack", "select", "error"),
    )
)
#: What the loader puts before each script.
OF_THE_LOADER: Final = frozenset(["P", "C", "now", "rarely", "made"])

#: Of each script: how many functions each call of it makes, and how many words and signs it has: those that run at each
#: call, and all of them. The server spends time on each function and each local, so what a script needs must not grow
#: without a reason. A number may be lowered at any time.
LIMITS: Final = {
    "add": (25, 2_339, 2_339),
    "add_one": (6, 821, 821),
    "browse": (13, 948, 948),
    "dead_letter": (6, 454, 454),
    "dead_letters": (6, 582, 582),
    "dead_queues": (5, 447, 447),
    "descendants": (5, 492, 492),
    "fail": (31, 2_541, 2_541),
    "get": (13, 869, 869),
    "held": (9, 718, 718),
    "lock_change": (5, 502, 502),
    "lock_take": (5, 458, 458),
    "pass_on": (13, 1_277, 1_446),
    "purge": (21, 1_842, 1_842),
    "register": (7, 605, 605),
    "remove": (24, 1_867, 1_867),
    "renew": (31, 2_809, 2_809),
    "replay": (31, 2_923, 2_923),
    "reschedule": (26, 2_030, 2_030),
    "result_put": (10, 831, 831),
    "retire": (20, 2_104, 4_343),
    "revoke": (17, 1_213, 1_213),
    "status_put": (9, 677, 677),
    "step": (32, 3_986, 6_911),
}


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _listed(word: str, path: Path) -> set[str]:
    found = re.search(rf"^-- {word}: (.+)$", _text(path), re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def _asked_rarely(path: Path) -> set[str]:
    return set(re.findall(r"rarely\(\)\.(\w+)", re.sub(r"--.*", "", _text(path))))


NAMES: Final = {path: names_of(_text(path)) for path in (*SCRIPTS, *FRAGMENTS)}
#: Which fragment provides a name.
PROVIDER: Final = {name: path.stem for path in FRAGMENTS for name in NAMES[path].declared}
BASE: Final = NAMES[FOLDER / "shared" / "base.lua"].declared


def test_no_name_is_provided_twice() -> None:
    """Each name is declared by one fragment, and no fragment hides one of Lua's, Redis' or the loader's."""
    declared = [name for path in FRAGMENTS for name in NAMES[path].declared]
    assert len(declared) == len(set(declared))
    assert not set(declared) & (BUILTIN | OF_THE_LOADER)


@pytest.mark.parametrize("path", [*SCRIPTS, *FRAGMENTS], ids=lambda path: path.stem)
def test_a_file_needs_what_it_uses(path: Path) -> None:
    """The head of a file lists exactly the fragments whose names the file itself uses (base.lua comes before all)."""
    free = NAMES[path].free - BUILTIN - OF_THE_LOADER
    assert free <= PROVIDER.keys()
    assert {PROVIDER[name] for name in free - BASE} == _listed("Needs", path)


@pytest.mark.parametrize("path", [*SCRIPTS, *FRAGMENTS], ids=lambda path: path.stem)
def test_a_file_lists_what_it_asks_for_rarely(path: Path) -> None:
    """`rarely().name` names a function of a fragment that the file lists as needed rarely; each of these is used."""
    assert {PROVIDER[name] for name in _asked_rarely(path)} == _listed("Rarely", path)


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_what_a_fragment_provides_is_used(path: Path) -> None:
    """Each name that a fragment declares is used in it or elsewhere, and at least one elsewhere."""
    elsewhere = set[str]().union(
        *(NAMES[other].free | _asked_rarely(other) for other in NAMES if other != path)
    )
    assert NAMES[path].declared <= elsewhere | NAMES[path].used
    assert NAMES[path].declared & elsewhere


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_as_it_is_sent_has_no_free_names(path: Path) -> None:
    """All put together, a script uses no name but its own, Lua's and Redis'."""
    assert names_of(load(path.stem, SERVER_CLOCK).plain.decode()).free <= BUILTIN


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_each_fragment_comes_once_after_what_it_needs(path: Path) -> None:
    """What a script needs at each call comes before it; what it needs rarely asks for nothing rarely itself."""
    always, rarely = fragments(_text(path))
    order = [*always, *rarely]
    assert order[0] == "base"
    assert len(order) == len(set(order))
    for n, name in enumerate(order):
        assert _listed("Needs", FOLDER / "shared" / f"{name}.lua") <= set(order[:n])
    assert not [name for name in rarely if _asked_rarely(FOLDER / "shared" / f"{name}.lua")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_grows(path: Path) -> None:
    """Each call makes all functions of a script anew: none is put together from more than it was."""
    always, rarely = fragments(_text(path))
    each_call = [
        token for name in always for token in tokens(_text(FOLDER / "shared" / f"{name}.lua"))
    ] + tokens(_text(path))
    seldom = [token for name in rarely for token in tokens(_text(FOLDER / "shared" / f"{name}.lua"))]
    functions = sum(token.text == "function" for token in each_call)
    counted = (functions, len(each_call), len(each_call) + len(seldom))
    assert all(now <= limit for now, limit in zip(counted, LIMITS[path.stem], strict=True)), counted


def test_lua_names_are_resolved_to_their_scopes() -> None:
    """The parser that these tests stand on tells locals from names that come from elsewhere."""
    found = names_of(
        """
        local a, b = c, { d = e, [f] = g.h }
        local function i(j, ...) return j + a, ... end -- k
        for _, l in ipairs(m) do l = n:o('p', function(q) return q, i end) end
        do local r = r end
        if not s then t = #u .. r else local v = 1 end
        return v
        """
    )
    assert found.declared == {"a", "b", "i"}
    assert found.used == {"a", "i"}
    assert found.free == {"c", "e", "f", "g", "ipairs", "m", "n", "r", "s", "t", "u", "v"}
