"""ResultPool: order, ends, and what it asks of the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from alsek import Broker, Message, ResultStore, StatusTracker
from alsek.exceptions import TaskFailedError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.tools import ResultPool, StatusTrackerIntegrityScanner
from tests.unit.tools.conftest import Stage


def drain(pool: Iterator[tuple[Message, Any]], into: list[Any]) -> None:
    """Take all results, those before an error too."""
    for _, result in pool:
        into.append(result)


def finish(store: ResultStore, *pairs: tuple[Message, Any]) -> None:
    """Store results, as a worker does."""
    for message, result in pairs:
        store.set(message, result)


def test_istream_yields_in_order_of_completion(
    stage: Stage, store: ResultStore, messages: list[Message]
) -> None:
    """Each result is yielded when it comes, whatever the order of the arguments."""
    one, two, three = messages
    stage.actions += [partial(finish, store, (each, each.uuid)) for each in (three, one, two)]
    found = list(ResultPool(store).istream(one, two, three))
    assert found == [(three, "three"), (one, "one"), (two, "two")]


def test_istream_yields_what_is_there_in_order_of_completion(
    store: ResultStore, messages: list[Message]
) -> None:
    """Results that came before it was asked are ordered by when they were written."""
    one, two, three = messages
    for each in (two, three, one):
        finish(store, (each, each.uuid))
        time.sleep(0.002)  # the store's clock ticks in milliseconds
    assert [result for _, result in ResultPool(store).istream(one, two, three)] == ["two", "three", "one"]


def test_stream_yields_in_the_order_given(stage: Stage, store: ResultStore, messages: list[Message]) -> None:
    """A result that comes early waits for those before it."""
    one, two, three = messages
    stage.actions += [partial(finish, store, (each, each.uuid)) for each in (three, one, two)]
    found = list(ResultPool(store).stream(one, two, three))
    assert found == [(one, "one"), (two, "two"), (three, "three")]


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_duplicates_are_refused_at_once(store: ResultStore, messages: list[Message], name: str) -> None:
    """The call itself raises, before anything is iterated; an equal message counts as the same."""
    with pytest.raises(ValidationError, match="twice"):
        getattr(ResultPool(store), name)(messages[0], messages[0].clone())


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_no_messages_no_results(stage: Stage, store: ResultStore, name: str) -> None:
    """Nothing to wait for is no error, and no wait."""
    assert list(getattr(ResultPool(store), name)(timeout=1)) == []
    assert stage.slept == []


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_results_that_do_not_come_are_named(
    stage: Stage, store: ResultStore, messages: list[Message], name: str
) -> None:
    """TimeoutError says how many are missing and which; those that came before it have been yielded."""
    one, two, three = messages
    finish(store, (one, 1))
    found: list[Any] = []
    with pytest.raises(TimeoutError, match=r"2 results are missing after 5 ms: two, three"):
        drain(getattr(ResultPool(store), name)(one, two, three, timeout=5), found)
    assert found == [1]
    assert all(each is not None and each <= 5 for each in stage.slept)


def test_a_result_that_comes_late_is_still_there(store: ResultStore, messages: list[Message]) -> None:
    """What was not yielded when the time was over stays in the store."""
    with pytest.raises(TimeoutError):
        list(ResultPool(store).istream(*messages, timeout=1))
    finish(store, (messages[0], 1))
    assert list(ResultPool(store).istream(messages[0])) == [(messages[0], 1)]


@pytest.mark.parametrize("name", ["istream", "stream"])
@pytest.mark.parametrize("keep", [False, True])
def test_results_are_kept_if_asked(
    store: ResultStore, messages: list[Message], name: str, keep: bool
) -> None:
    """Without `keep` each result is deleted once it was received."""
    finish(store, *((each, each.uuid) for each in messages))
    assert len(list(getattr(ResultPool(store), name)(*messages, keep=keep))) == 3
    assert [store.exists(each) for each in messages] == [keep] * 3


def test_what_is_not_taken_stays(store: ResultStore, messages: list[Message]) -> None:
    """A loop that is left early has taken what it was given, and no more."""
    finish(store, *((each, each.uuid) for each in messages))
    for message, _ in ResultPool(store).stream(*messages):
        assert message == messages[0]
        break
    assert [store.exists(each) for each in messages] == [False, True, True]


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_descendants_are_waited_for(stage: Stage, store: ResultStore, broker: Broker, name: str) -> None:
    """A chain is yielded once all of it has come: a list, oldest write first."""
    last = Message("t", uuid="last")
    middle = Message("t", uuid="middle")
    first = Message("t", uuid="first")
    middle.append_callback(last)
    first.append_callback(middle)
    broker.submit(first)
    middle.progenitor_uuid = last.progenitor_uuid = first.uuid

    def step(message: Message, callback: Message | None) -> None:
        store.set(message, message.uuid)
        broker.remove(message)
        if callback is not None:
            broker.submit(callback)
        time.sleep(0.002)  # the store's clock ticks in milliseconds

    steps = ((first, middle), (middle, last), (last, None))
    stage.actions += [partial(step, *each) for each in steps]
    found = list(getattr(ResultPool(store), name)(first, descendants=True))
    assert found == [(first, ["first", "middle", "last"])]
    assert len(stage.slept) == 3


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_a_failed_message_is_raised(
    stage: Stage, store: ResultStore, broker: Broker, messages: list[Message], name: str
) -> None:
    """TaskFailedError comes when the failure does, with what failed; it does not wait for the time to be over."""
    stage.actions.append(lambda: broker.fail(messages[0], ValueError("no money")))
    with pytest.raises(TaskFailedError, match="ValueError: no money") as caught:
        list(getattr(ResultPool(store), name)(*messages))
    assert caught.value.details["name"] == "ValueError"
    assert len(stage.slept) == 1


def test_what_is_there_is_yielded_before_a_failure(
    store: ResultStore, broker: Broker, messages: list[Message]
) -> None:
    """A failure that is known from the start does not hide the results that are there."""
    one, two, three = messages
    broker.fail(one)
    finish(store, (two, 2), (three, 3))
    found: list[Any] = []
    with pytest.raises(TaskFailedError):
        drain(ResultPool(store).istream(*messages), found)
    assert sorted(found) == [2, 3]


def test_stream_looks_only_when_it_concerns_the_next(
    stage: Stage, store: ResultStore, broker: Broker, messages: list[Message]
) -> None:
    """News of messages further down the line is no reason to ask the store."""
    one, two, three = messages
    stage.actions += [partial(finish, store, (each, each.uuid)) for each in (three, two, one)]
    assert len(list(ResultPool(store).stream(one, two, three))) == 3
    # At the beginning, and when the first has come: each time at all of them.
    assert stage.calls["get"] == 2


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_a_chain_that_does_not_go_on_is_yielded(
    stage: Stage, store: ResultStore, broker: Broker, name: str
) -> None:
    """The callback is not submitted, since `do_callback` said no: what is there is all that there will be."""
    chain = [
        Message("t", uuid="first", callback_message_data=Message("t", uuid="last").data),
        Message("t", uuid="next"),
    ]
    broker.submit_many(chain)

    def end(message: Message) -> None:
        store.set(message, message.uuid)
        broker.remove(message)

    stage.actions += [partial(end, each) for each in chain]
    found = list(getattr(ResultPool(store), name)(*chain, descendants=True))
    assert [results for _, results in found] == [["first"], ["next"]]
    assert len(stage.slept) == 2


@pytest.mark.parametrize("descendants", [False, True])
@pytest.mark.parametrize("name", ["istream", "stream"])
def test_a_message_that_is_removed_or_revoked_is_raised(
    stage: Stage, store: ResultStore, broker: Broker, name: str, descendants: bool
) -> None:
    """Its result will not come, and the store has told so: the wait ends there, with the reason."""
    for deed, reason in ((broker.remove, "was removed"), (broker.revoke, "was revoked")):
        message = Message("t")
        broker.submit(message)
        stage.actions.append(partial(deed, message))
        with pytest.raises(TaskFailedError, match=reason):
            list(getattr(ResultPool(store), name)(message, descendants=descendants))
    assert len(stage.slept) == 2


def test_a_failed_descendant_is_raised(stage: Stage, store: ResultStore, broker: Broker) -> None:
    """Also when it is a callback that has failed."""
    first, last = Message("t", uuid="first"), Message("t", uuid="last")
    first.append_callback(last)
    broker.submit(first)

    def succeed() -> None:
        store.set(first, 1)
        broker.remove(first)
        broker.submit(last)

    stage.actions += [succeed, lambda: broker.fail(last, ValueError("no"))]
    with pytest.raises(TaskFailedError, match="uuid='last'"):
        list(ResultPool(store).istream(first, descendants=True, timeout=60_000))


def test_many_results_are_taken_in_few_trips(store: ResultStore, stage: Stage, broker: Broker) -> None:
    """Those that are there are read and deleted many at a time, whichever way they are yielded."""
    for name in ("istream", "stream"):
        many = [Message("t", uuid=f"{name}{number}") for number in range(1_000)]
        broker.submit_many(many)
        finish(store, *((each, each.uuid) for each in many))
        stage.calls.clear()
        found = getattr(ResultPool(store), name)(*many)
        assert [result for _, result in found] == [each.uuid for each in many]
        assert stage.calls["get"] <= 6
        assert stage.calls["delete"] <= 6
        assert sum(stage.calls.values()) <= 18
        assert not any(store.exists(each) for each in many)


def test_results_that_come_together_are_taken_together(
    store: ResultStore, stage: Stage, broker: Broker
) -> None:
    """A hundred results that come in one sleep are looked for at once, and deleted at once."""
    many = [Message("t", uuid=f"m{number}") for number in range(100)]
    broker.submit_many(many)
    stage.actions.append(lambda: finish(store, *((each, each.uuid) for each in many)))
    found = list(ResultPool(store).istream(*many))
    assert [result for _, result in found] == [each.uuid for each in many]
    assert len(stage.slept) == 1
    assert stage.calls["get"] == 2
    assert stage.calls["may_be_dead"] == 1
    assert stage.calls["delete"] == 1


def test_a_loop_that_is_left_among_many_takes_only_what_it_was_given(
    store: ResultStore, broker: Broker
) -> None:
    """Those of the same batch that were not yielded stay in the store; those that were are deleted."""
    many = [Message("t", uuid=f"m{number}") for number in range(10)]
    broker.submit_many(many)
    finish(store, *((each, each.uuid) for each in many))
    for name in ("istream", "stream"):
        given = []
        for message, _ in getattr(ResultPool(store), name)(*many):
            given.append(message)
            if len(given) == 3:
                break
        assert [each for each in many if not store.exists(each)] == given
        finish(store, *((each, each.uuid) for each in given))


def test_large_results_are_read_again_when_it_is_their_turn(
    store: ResultStore, stage: Stage, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look keeps so many bytes at most; the others are read many at a time, too."""
    monkeypatch.setattr("alsek.tools.result_lookup._MOST_KEPT", 100)
    many = [Message("t", uuid=f"m{number}") for number in range(400)]
    broker.submit_many(many)
    finish(store, *((each, each.uuid) for each in many))
    stage.calls.clear()
    assert len(list(ResultPool(store).istream(*many))) == 400
    assert stage.calls["get"] == 3
    assert stage.calls["delete"] == 2


def test_a_store_that_reads_in_its_own_way_is_asked_for_each_result(
    stage: Stage, broker: Broker, messages: list[Message]
) -> None:
    """A subclass that overrides `get` decides what is yielded."""

    class Loud(ResultStore):
        def get(self, *args: Any, **kwargs: Any) -> Any:
            return super().get(*args, **kwargs).upper()

    store = Loud(stage)
    finish(store, *((each, each.uuid) for each in messages))
    found = [result for _, result in ResultPool(store).stream(*messages)]
    assert found == ["ONE", "TWO", "THREE"]
    assert not any(store.exists(each) for each in messages)


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_one_that_failed_before_is_found_among_many(
    store: ResultStore, stage: Stage, broker: Broker, name: str
) -> None:
    """Only those that may have failed are asked about, though many are missing."""
    many = [Message("t", uuid=f"m{number}") for number in range(300)]
    broker.submit_many(many)
    broker.fail(many[250], ValueError("no money"))
    finish(store, *((each, each.uuid) for each in many[:250]))
    stage.calls.clear()
    found: list[Any] = []
    with pytest.raises(TaskFailedError, match="no money"):
        drain(getattr(ResultPool(store), name)(*many), found)
    assert len(found) == 250
    # The memory asks one after the other; it is asked about all that are missing, and once more about the one.
    assert stage.calls["may_be_dead"] <= 2
    assert stage.calls["dead_letter"] == 1


def test_nothing_is_polled(stage: Stage, store: ResultStore, broker: Broker) -> None:
    """For each result that comes there is one look, at its message alone; a sleep without news ends with `wait`."""
    many = [Message("t", uuid=f"m{number}") for number in range(100)]
    broker.submit_many(many)
    stage.actions += [partial(finish, store, (each, each.uuid)) for each in many]
    pool = ResultPool(store).istream(*many, wait=7_000)
    next(pool)
    stage.calls.clear()
    assert len(list(pool)) == 99
    # One to look for it, one to delete it; and the test's own that stores it.
    assert stage.calls["put"] == 99
    assert stage.calls["get"] <= 99
    assert stage.calls["delete"] == 99
    assert stage.calls["dead_letter"] == stage.calls["exists"] == 0
    assert set(stage.slept) == {7_000}


def test_the_first_look_is_one_question(stage: Stage, store: ResultStore, broker: Broker) -> None:
    """All results are looked for in one call of the store, however many there are."""
    many = [Message("t", uuid=f"m{number}") for number in range(100)]
    broker.submit_many(many)
    with pytest.raises(TimeoutError):
        list(ResultPool(store).istream(*many, timeout=1, wait=1))
    assert stage.calls["get"] <= 1 + len(stage.slept)


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_progress_is_shown_on_stderr(
    store: ResultStore, messages: list[Message], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bar counts to the number of messages, on stderr; without `progress` nothing is written at all."""
    finish(store, *((each, each.uuid) for each in messages))
    pool = ResultPool(store)
    assert len(list(getattr(pool, name)(*messages, keep=True))) == 3
    assert capsys.readouterr() == ("", "")
    assert len(list(getattr(pool, name)(*messages, progress=True))) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err


@pytest.mark.parametrize("method", ["istream", "stream"])
def test_bad_arguments_are_refused_at_once(method: str) -> None:
    """A list in place of messages, times that are none, and a store that is none, by name."""
    backend = MemoryBackend()
    pool = ResultPool(ResultStore(backend))
    message = Message("t")
    stream = getattr(pool, method)
    with pytest.raises(ValidationError, match=r"one by one, as in pool.istream\(\*messages\)"):
        stream([message])
    for option, value in [
        ("timeout", -1),
        ("timeout", float("inf")),
        ("timeout", True),
        ("wait", 0),
        ("wait", None),
    ]:
        with pytest.raises(ValidationError, match=f"{option}="):
            stream(message, **{option: value})
    for wrong in (backend, None):
        with pytest.raises(ValidationError, match="must be a ResultStore"):
            ResultPool(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="must be a StatusTracker"):
        StatusTrackerIntegrityScanner(backend, trigger=None)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="must be None or a Broker"):
        StatusTrackerIntegrityScanner(StatusTracker(backend), backend, trigger=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["istream", "stream"])
def test_duplicates_have_the_result_of_the_message_for_which_they_stand(
    store: ResultStore, messages: list[Message], name: str
) -> None:
    """So all that `generate_many` returns can be given; each is yielded, and the result is read once."""
    one, two, _ = messages
    again, third = one.clone(), one.clone()
    again.duplicate = third.duplicate = True
    finish(store, (one, "one"), (two, "two"))
    found = list(getattr(ResultPool(store), name)(again, two, one, third))
    assert sorted(result for _, result in found) == ["one", "one", "one", "two"]
    assert {id(message) for message, _ in found} == {id(again), id(two), id(one), id(third)}
    if name == "stream":
        assert [message for message, _ in found] == [again, two, one, third]
    assert not store.exists(one)
    with pytest.raises(ValidationError, match="given twice"):
        list(getattr(ResultPool(store), name)(one, again, one.clone()))
