"""Which worker may take which message is declared once; what stores keep of it does not change."""

from __future__ import annotations

import pytest

from alsek.storage.backends.kinds import (
    ASYNC_WISHES,
    LOOKED_AT,
    MECHANISM_WISHES,
    SLEEPERS_OF,
    SLOTS_OF,
    SUSPECT_RULES,
    WISH_LETTERS,
    WISHES,
    WISHES_OF,
    mechanism_of,
    sleeps_as,
    slot_of,
)
from alsek.storage.backends.redis.client.script_text import fragment_text
from alsek.storage.backends.sqlite.lanes import PLAIN_LANES, SUSPECT_LANES, WISH_NUMBERS

lupa = pytest.importorskip("lupa.lua51")


def test_what_stores_keep() -> None:
    """The numbers and letters of the kinds of version 0.1.0 stay: they stand in files and on servers."""
    assert [WISH_NUMBERS[wish] for wish in ("any", "thread", "process")] == [0, 1, 2]
    assert [WISH_LETTERS[wish] for wish in ("any", "thread", "process")] == ["a", "t", "p"]
    assert len(set(WISH_LETTERS.values())) == len(WISHES)


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_lanes(kind: str) -> None:
    """A worker takes from the lanes of its wishes; each lane of suspects is next to that of the others."""
    assert PLAIN_LANES[kind] == tuple(2 * WISHES.index(wish) for wish in WISHES_OF[kind])
    assert SUSPECT_LANES[kind] == tuple(lane + 1 for lane in PLAIN_LANES[kind])


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("kind", WISHES_OF)
def test_a_wish_wakes_those_that_take_it(kind: str, wish: str) -> None:
    """A message wakes a worker if that takes it: by the waiter for its kind of slot, or the one for all it takes."""
    takes = wish in WISHES_OF[kind]
    assert bool(set(sleeps_as(kind)) & set(SLEEPERS_OF[wish])) is takes
    for slot in SLOTS_OF[kind]:
        if kind != "any":
            assert bool(set(sleeps_as(kind, slot)) & set(SLEEPERS_OF[wish])) is (
                takes and slot_of(kind, wish) == slot
            )


@pytest.mark.parametrize("kind", WISHES_OF)
def test_a_worker_takes_what_its_mechanism_may(kind: str) -> None:
    """With a look each wish is taken by all kinds of its mechanism, and by no other."""
    taken = (*WISHES_OF[kind], *LOOKED_AT.get(kind, ()))
    mechanism = mechanism_of(kind)
    assert set(taken) == {
        wish for wish in WISHES if mechanism == "any" or mechanism_of(wish) in ("any", mechanism)
    }
    assert {wish for wish in taken if slot_of(kind, wish) in SLOTS_OF[kind]} == set(WISHES_OF[kind])


def test_an_async_wish_has_the_same_mechanism() -> None:
    """Whether a task is a coroutine does not change which mechanism it names."""
    assert [mechanism_of(ASYNC_WISHES[wish]) for wish in MECHANISM_WISHES] == list(MECHANISM_WISHES)


def _lua(name: str, *before: str) -> str:
    """A fragment of the scripts, as the loader makes it."""
    fragment = fragment_text(name)
    return "\n".join(["local P = ''", "local broken = {}", *before, fragment])


@pytest.mark.parametrize("wish", MECHANISM_WISHES)
def test_token_lists_in_lua(wish: str) -> None:
    """The script leaves a token for each kind of pool that may take the message, of the queue and of all queues."""
    lists = lupa.LuaRuntime().execute(_lua("wakeups") + f"\nreturn token_lists('{WISH_LETTERS[wish]}', 'q')")
    expected = [name for kind in SLEEPERS_OF[wish] for name in (f"wake:{kind}:q", f"wakes:{kind}")]
    assert list(lists.values()) == expected


@pytest.mark.parametrize("policy", SUSPECT_RULES)
@pytest.mark.parametrize("kind", WISHES_OF)
def test_ready_sets_in_lua(kind: str, policy: str) -> None:
    """The script looks at the ready sets of the worker's wishes, and at those of suspects only if it may."""
    arguments = f"local ARGV = {{ '', 'w', '{kind}', '0', '0', '{policy}', '-1' }}"
    wishes, classes = lupa.LuaRuntime().execute(_lua("ready_sets", arguments) + "\nreturn WISHES, CLASSES")
    assert list(wishes.values()) == [WISH_LETTERS[wish] for wish in WISHES_OF[kind]]
    rule = SUSPECT_RULES[policy]
    assert list(classes.values()) == ["ready:"] * rule.plain + ["suspects:"] * rule.freely
