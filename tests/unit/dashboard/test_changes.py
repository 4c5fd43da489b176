"""What forms do to the store."""

from __future__ import annotations

from typing import Any

import pytest

from alsek import Broker, Message, Unique, task
from tests.unit.dashboard.browser import Browser


def test_a_cause_is_replayed(browser: Browser, broker: Broker, dead: Message) -> None:
    """All dead letters of the cause are messages again, those of others stay."""
    other = Message("charge", queue="shop", uuid="other")
    broker.submit(other)
    broker.fail(other, KeyError("x"))
    page = browser.get("/dead?exception=ValueError")
    after = browser.follow(browser.send(page, "/dead.replay"))
    assert "Replayed 1 dead letter." in after.text
    assert broker.exists("dead-1")
    assert broker.in_dlq("other")


def test_purging_asks_first(browser: Browser, broker: Broker, dead: Message) -> None:
    """The first form changes nothing; the one that agrees deletes them."""
    asked = browser.send(browser.get("/dead"), "/dead.purge")
    assert "Delete 1 dead letter (" in asked.text
    assert broker.in_dlq("dead-1")
    after = browser.follow(browser.send(asked, "/dead.purge"))
    assert "Deleted 1 dead letter." in after.text
    assert not broker.in_dlq("dead-1")


def test_all_must_be_said(browser: Browser, broker: Broker, dead: Message) -> None:
    """A form that chooses no dead letters deletes none."""
    form = {"form": _seal(browser)}
    assert browser.post("/change/dead.purge", {**form, "agreed": "yes"}).status_code == 409
    assert broker.in_dlq("dead-1")
    asked = browser.post("/change/dead.purge", {**form, "all": "yes"})
    assert "all there are" in asked.text
    browser.send(asked, "/dead.purge")
    assert not broker.in_dlq("dead-1")


def test_what_fails_after_the_question_stays(browser: Browser, broker: Broker, dead: Message) -> None:
    """Only what was there when it was asked is deleted."""
    asked = browser.send(browser.get("/dead"), "/dead.purge")
    browser.send(asked, "/dead.purge", until="1")
    assert broker.in_dlq("dead-1")


def test_one_dead_letter(browser: Browser, broker: Broker, dead: Message) -> None:
    """Its page replays it, and leads back to it."""
    page = browser.get("/message?uuid=dead-1")
    after = browser.follow(browser.send(page, "/dead.replay"))
    assert "Replayed 1 dead letter." in after.text
    assert ">ready</span>" in after.text


def test_what_can_not_be_replayed_stays(browser: Browser, broker: Broker) -> None:
    """The notice says so, and why."""

    @task(broker, name="sync", unique=Unique("one"))
    def sync() -> None: ...

    first = sync.generate()
    broker.fail(first, ValueError("no"))
    sync.generate()
    after = browser.follow(browser.send(browser.get(f"/message?uuid={first.uuid}"), "/dead.replay"))
    assert "Replayed 0 dead letters. 1 dead letter can&#39;t be replayed" in after.text
    assert broker.in_dlq(first)


def test_a_message_is_revoked(browser: Browser, broker: Broker) -> None:
    """After a question."""
    broker.submit(Message("t", queue="q", uuid="m"))
    asked = browser.send(browser.get("/message?uuid=m"), "/message.revoke")
    assert not broker.is_revoked("m")
    browser.follow(browser.send(asked, "/message.revoke"))
    assert broker.is_revoked("m")


def test_a_message_that_is_gone(browser: Browser, broker: Broker) -> None:
    """Nothing happens, and the page says that it has ended."""
    broker.submit(Message("t", queue="q", uuid="m"))
    asked = browser.send(browser.get("/message?uuid=m"), "/message.revoke")
    broker.remove("m")
    answer = browser.send(asked, "/message.revoke")
    assert answer.status_code == 409
    assert "it has ended" in answer.text


def test_a_queue_is_paused_and_resumed(browser: Browser, broker: Broker) -> None:
    """The pause says who; the next page shows it at once."""
    broker.submit(Message("t", queue="q"))
    paused = browser.follow(browser.send(browser.get("/queue?name=q"), "/queue.pause"))
    assert "Paused by dashboard@" in paused.text
    (pause,) = broker.backend.messages.pauses()
    assert (pause.queue, pause.by.partition("@")[0]) == ("q", "dashboard")
    browser.follow(browser.send(paused, "/queue.resume"))
    assert broker.backend.messages.pauses() == []


def test_a_schedule(browser: Browser, broker: Broker) -> None:
    """It is run, paused, resumed, and deleted after a question."""
    triggers: Any = pytest.importorskip("apscheduler.triggers.interval")

    @task(broker, name="nightly", queue="night")
    def nightly() -> None: ...

    nightly.schedule("each-hour", triggers.IntervalTrigger(hours=1))
    page = browser.get("/schedule?name=each-hour")
    assert "Submitted message" in browser.follow(browser.send(page, "/schedule.run")).text
    assert len(list(broker.backend.messages.browse("night"))) == 1
    paused = browser.follow(browser.send(page, "/schedule.pause"))
    assert "Paused" in paused.text
    browser.follow(browser.send(paused, "/schedule.resume"))
    found = broker.schedule("each-hour")
    assert found is not None
    assert not found.paused
    asked = browser.send(page, "/schedule.remove")
    assert broker.schedule("each-hour") is not None
    gone = browser.follow(browser.send(asked, "/schedule.remove"))
    assert gone.status_code == 404
    assert broker.schedule("each-hour") is None


@pytest.mark.parametrize("name", ["nothing", "dead.show", "__class__"])
def test_an_unknown_change(browser: Browser, name: str) -> None:
    """There is none but those that are listed."""
    assert browser.post(f"/change/{name}", {"form": _seal(browser)}).status_code == 404


def test_what_is_no_form(browser: Browser) -> None:
    """JSON, very large bodies and very many fields are refused."""
    seal = _seal(browser)
    large = browser.post("/change/queue.pause", {"form": seal, "name": "x" * 70_000})
    many = browser.post("/change/queue.pause", {"form": seal, **{f"field{n}": "" for n in range(60)}})
    assert (large.status_code, many.status_code) == (400, 400)
    json = browser.run(
        browser.client.post(
            "/change/queue.pause", json={"form": seal}, headers={"sec-fetch-site": "same-origin"}
        )
    )
    assert json.status_code == 400


def _seal(browser: Browser) -> str:
    """The seal of this browser's forms."""
    page = browser.get("/queue?name=any")
    return page.text.split('name="form" value="', 1)[1].split('"', 1)[0]
