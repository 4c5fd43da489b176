"""Which worker may take which message is declared once; what stores keep of it does not change."""

from __future__ import annotations

import sqlite3

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
from alsek.storage.backends.sqlite.lanes import (
    LANES,
    WISH_NUMBERS,
    lane_key,
    lane_key_of,
    lane_keys,
    lanes_in_step,
)

lupa = pytest.importorskip("lupa.lua51")


def test_what_stores_keep() -> None:
    """The numbers and letters of the kinds of version 0.1.0 stay: they stand in files and on servers."""
    assert [WISH_NUMBERS[wish] for wish in ("any", "thread", "process")] == [0, 1, 2]
    assert [WISH_LETTERS[wish] for wish in ("any", "thread", "process")] == ["a", "t", "p"]
    assert len(set(WISH_LETTERS.values())) == len(WISHES)


@pytest.mark.parametrize("kind", WISHES_OF)
def test_lanes(kind: str) -> None:
    """A worker takes from the lanes of its wishes; each lane of suspects is next to that of the others."""
    lanes = lanes_in_step(kind, ())
    assert [each.slot for each in lanes] == list(SLOTS_OF[kind])
    plain = tuple(lane for each in lanes for lane in each.plain)
    assert plain == tuple(2 * WISHES.index(wish) for wish in WISHES_OF[kind])
    assert tuple(lane for each in lanes for lane in each.suspects) == tuple(lane + 1 for lane in plain)


@pytest.mark.parametrize("kind", LOOKED_AT)
def test_lanes_of_a_step_that_seeks(kind: str) -> None:
    """A step that seeks coroutines takes from their lanes too, and counts them apart."""
    *usual, looked = lanes_in_step(kind, ("coroutine",))
    assert tuple(usual) == lanes_in_step(kind, ())
    plain = tuple(2 * WISHES.index(wish) for wish in LOOKED_AT[kind])
    assert looked == ("coroutine", plain, tuple(lane + 1 for lane in plain))


def test_keys_of_lanes() -> None:
    """Each lane of each queue has a key of its own, those of 0.1.0 the same as there, and SQL computes the same."""
    keys = {(queue, lane): lane_keys(queue, [lane])[0] for queue in range(1, 50) for lane in LANES}
    assert len(set(keys.values())) == len(keys)
    assert all(key == queue * 8 + lane for (queue, lane), key in keys.items() if lane < 6)
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE places (queue INTEGER, wish INTEGER, suspect INTEGER)")
    connection.executemany(
        "INSERT INTO places VALUES (?, ?, ?)", [(queue, lane // 2, lane % 2) for queue, lane in keys]
    )
    computed = f"SELECT {lane_key_of()}, {lane_key('queue', 'wish * 2 + suspect')} FROM places ORDER BY rowid"
    assert connection.execute(computed).fetchall() == [(key, key) for key in keys.values()]
    connection.close()


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("kind", WISHES_OF)
def test_a_wish_wakes_those_that_take_it(kind: str, wish: str) -> None:
    """A message wakes a worker if that takes it: by the waiter for its slot kind, or the one for all it takes."""
    takes = wish in WISHES_OF[kind]
    assert bool(set(sleeps_as(kind)) & set(SLEEPERS_OF[wish])) is takes
    for slot in SLOTS_OF[kind]:
        if kind != "any":
            assert bool(set(sleeps_as(kind, slot)) & set(SLEEPERS_OF[wish])) is (
                takes and slot_of(kind, wish) == slot
            )


@pytest.mark.parametrize("kind", WISHES_OF)
def test_a_worker_takes_what_its_mechanism_may(kind: str) -> None:
    """With seeking, each wish is taken by all kinds of its mechanism, and by no other."""
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
