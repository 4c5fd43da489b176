"""What the scripts and the shared fragments declare that they need, held against the names that they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest

from alsek.storage.backends.redis.client.lua_values import with_values
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, bundles, fragments, load
from tests.unit.redis.lua_names import names_of, tokens
from tests.unit.redis.test_scripts import FOLDER, FRAGMENTS, SCRIPTS, firsts, variants
from tests.unit.redis.test_scripts import NAMES as ALL_NAMES

#: What Lua and Redis provide.
BUILTIN: Final = frozenset(
    (
        *("KEYS", "ARGV", "redis", "cjson", "string", "math", "table", "tonumber", "tostring", "type"),
        *("ipairs", "pairs", "unpack", "select", "error", "next"),
    )
)
#: What the loader puts before each script.
OF_THE_LOADER: Final = frozenset(["P", "C", "now", "rarely", "made", "later", "tried"])

#: Of each script: how many functions a call of it makes, and how many words and signs are read for that at most
#: (without what it asks for rarely). The server spends some 2,000 instructions on each function, at each call: a
#: commit that raises a number says why. It may be lowered at any time.
LIMITS: Final = {
    "add": (23, 2_868),
    "add_one": (5, 900),
    "aside": (5, 464),
    "browse": (11, 924),
    "dead_letter": (4, 316),
    "dead_letters": (4, 447),
    "dead_queues": (4, 317),
    "descendants": (3, 354),
    "fail": (32, 2_846),
    "find": (11, 982),
    "find_dead": (4, 360),
    "fronts": (6, 804),
    "get": (11, 845),
    "group_create": (10, 1_067),
    "group_revoke": (10, 1_087),
    "hear": (3, 526),
    "held": (6, 578),
    "history": (3, 289),
    "key_record": (9, 667),
    "limit_records": (5, 646),
    "lock_change": (3, 364),
    "lock_take": (3, 320),
    "move_check": (12, 1_262),
    "move_end": (3, 295),
    "move_from": (3, 438),
    "move_in": (32, 3_683),
    "move_out": (26, 2_876),
    "move_read": (3, 315),
    "move_stage": (3, 287),
    "move_to": (3, 354),
    "now": (3, 223),
    "pass_on": (11, 1_329),
    "pause": (4, 430),
    "pauses": (3, 230),
    "peek": (8, 1198),
    "place": (12, 1_062),
    "purge": (8, 658),
    "register": (6, 757),
    "remove": (26, 2_286),
    "renew": (18, 1_965),
    "replay": (25, 2_913),
    "report": (10, 1_155),
    "report_records": (3, 383),
    "reschedule": (28, 2_455),
    "result_put": (7, 612),
    "resume": (18, 1_939),
    "retire": (23, 2_408),
    "revoke": (19, 1_755),
    "schedule_fire": (34, 3_556),
    "schedule_pause": (17, 1_182),
    "schedule_put": (17, 1_263),
    "schedule_remove": (20, 1_224),
    "schedule_resume": (17, 1_211),
    "status_put": (5, 439),
    "step": (34, 4_839),
    "step+sleep": (42, 5_788),
    "step+slots": (42, 5_808),
    "step+slots+sleep": (52, 6_845),
    "tallies": (7, 870),
    "worker_records": (3, 382),
}

#: Of each fragment that is tried first: how many functions it makes with what it needs, and how many more later.
LIMITS_OF_FIRSTS: Final = {"idle_step": (4, 6)}


def _text(path: Path) -> str:
    return with_values(path.read_text("utf-8"))


def _listed(word: str, path: Path) -> set[str]:
    found = re.search(rf"^-- {word}: (.+)$", _text(path), re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def _asked_rarely(path: Path) -> set[str]:
    return set(re.findall(r"rarely\(\)\.(?!with_)(\w+)", re.sub(r"--.*", "", _text(path))))


def _asked_later(path: Path) -> set[str]:
    return set(re.findall(r"\blater\(\)\.(\w+)", re.sub(r"--.*", "", _text(path))))


def _asked_of_bundles(path: Path) -> set[tuple[str, str]]:
    """Bundle and function."""
    return set(re.findall(r"rarely\(\)\.with_(\w+)\(\)\.(\w+)", re.sub(r"--.*", "", _text(path))))


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


@pytest.mark.parametrize("path", [*SCRIPTS, *FRAGMENTS], ids=lambda path: path.stem)
def test_a_file_lists_what_it_asks_for_later(path: Path) -> None:
    """`later().name` names a function of a fragment that the file lists as needed later; each of these is used."""
    assert {PROVIDER[name] for name in _asked_later(path)} == _listed("Later", path)


@pytest.mark.parametrize("path", [*SCRIPTS, *FRAGMENTS], ids=lambda path: path.stem)
def test_a_file_lists_what_it_asks_of_bundles(path: Path) -> None:
    """`rarely().with_keys().name` names a function of a fragment that the file lists as one of this bundle."""
    listed = {
        (bundle, name)
        for bundle, names in re.findall(r"^-- With (\w+): (.+)$", _text(path), re.MULTILINE)
        for name in names.split()
    }
    assert {(bundle, PROVIDER[name]) for bundle, name in _asked_of_bundles(path)} == listed


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_what_a_fragment_provides_is_used(path: Path) -> None:
    """Each name that a fragment declares is used in it or elsewhere, and at least one elsewhere."""
    elsewhere = set[str]().union(
        *(NAMES[other].free | _asked_rarely(other) | _asked_later(other) for other in NAMES if other != path),
        firsts(),
        *({name for _, name in _asked_of_bundles(other)} for other in NAMES if other != path),
    )
    assert NAMES[path].declared <= elsewhere | NAMES[path].used
    assert NAMES[path].declared & elsewhere


def test_what_comes_first_is_a_function_of_the_same_name() -> None:
    """The loader calls what a script tries first by the name of its fragment."""
    assert firsts()
    assert {PROVIDER[name] for name in firsts()} == firsts() == {PROVIDER[name] for name in LIMITS_OF_FIRSTS}


@pytest.mark.parametrize("name", sorted(firsts()))
def test_what_comes_first_does_not_grow(name: str) -> None:
    """What is tried first makes few functions, and a few more if there are outcomes."""
    made, later = (
        _made_by([name], ["base"]),
        _made_by(_listed("Later", FOLDER / "shared" / f"{name}.lua"), []),
    )
    assert made <= LIMITS_OF_FIRSTS[name][0]
    assert later <= LIMITS_OF_FIRSTS[name][1]


def _made_by(names: Iterable[str], besides: Sequence[str]) -> int:
    """How many functions these fragments make, with what they need."""
    order = {*besides, *fragments(f"-- Needs: {' '.join(names)}\n")[0]} - (set() if besides else {"base"})
    texts = (_text(FOLDER / "shared" / f"{name}.lua") for name in order)
    return sum(token.text == "function" for text in texts for token in tokens(text))


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_script_as_it_is_sent_has_no_free_names(name: str) -> None:
    """All put together, a script uses no name but its own, Lua's and Redis'."""
    for tells in (False, True):
        assert names_of(load(name, SERVER_CLOCK, tells=tells).plain.decode()).free <= BUILTIN


@pytest.mark.parametrize("name", ALL_NAMES)
def test_workers_are_told_in_the_partitions_of_clusters_alone(name: str) -> None:
    """There, whatever leaves tokens looks for a worker to tell; elsewhere the text of a script has no word of that."""
    plain, telling = (load(name, SERVER_CLOCK, tells=tells).plain.decode() for tells in (False, True))
    assert "told(" not in plain
    assert "SPUBLISH" not in plain
    assert telling.count("told(list)") == (2 if "local function wake(" in plain else 0)


def test_a_variant_asks_for_nothing_rarely_that_it_has_at_once() -> None:
    """Its fragments are among those that the script needs rarely, and are called directly."""
    assert variants()
    for name, at_once in variants().items():
        _, rarely = fragments(_text(FOLDER / f"{name.partition('+')[0]}.lua"))
        assert set(at_once) <= set(rarely)
        asked = set(re.findall(r"rarely\(\)\.(?!with_)(\w+)", load(name, SERVER_CLOCK).plain.decode()))
        assert not {PROVIDER[function] for function in asked} & set(at_once)


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


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_bundle_has_what_it_needs_and_nothing_twice(name: str) -> None:
    """A bundle of a script has none of the fragments that the script has anyway; what it needs comes before it."""
    text, at_once = _text(FOLDER / f"{name.partition('+')[0]}.lua"), variants().get(name, ())
    always, rarely = fragments(text, at_once)
    for names in bundles(text, at_once).values():
        order = [*always, *rarely, *names]
        assert len(order) == len(set(order))
        for n, fragment in enumerate(order):
            assert n < len(always) or _listed("Needs", FOLDER / "shared" / f"{fragment}.lua") <= set(
                order[:n]
            )


@pytest.mark.parametrize("name", ALL_NAMES)
def test_no_script_grows(name: str) -> None:
    """A call of a script makes no more functions than it did, from no longer a text."""
    path = FOLDER / f"{name.partition('+')[0]}.lua"
    always, _ = fragments(_text(path), variants().get(name, ()))
    parts = [*(FOLDER / "shared" / f"{name}.lua" for name in always), path]
    each_call = [token for part in parts for token in tokens(_text(part))]
    functions = sum(token.text == "function" for token in each_call)
    most_functions, most_tokens = LIMITS[name]
    assert functions <= most_functions, functions
    assert len(each_call) <= most_tokens, len(each_call)


def test_lua_names_are_resolved_to_their_scopes() -> None:
    """The parser that these tests use distinguishes locals from names that are declared elsewhere."""
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
