"""What pages show of a store, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek import Broker, Concurrency, Group, Message, task
from alsek.dashboard.pages.all_pages import MENU
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import HistoryCounts, Worker, WorkerFacts
from tests.contract.workers import an_actor
from tests.unit.dashboard.browser import Browser, forms

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


def test_every_page_of_an_empty_store(browser: Browser) -> None:
    """Each page of the menu can be shown when there is nothing, and names the one that is shown."""
    for page in MENU:
        answer = browser.get("/" if page.name == "overview" else f"/{page.name}")
        assert answer.status_code == 200
        assert f"<h1>{page.title}</h1>" in answer.text
        assert answer.text.count('aria-current="page"') == 1


def test_the_overview(browser: Browser, broker: Broker, dead: Message) -> None:
    """It says what is wrong, what waits, and what failed last."""
    for number in range(3):
        broker.submit(Message("mail", queue="post", uuid=f"m{number}"))
    text = browser.get("/").text
    assert "No worker is alive, and 3 messages wait for one." in text
    assert "ValueError: no order 7" in text
    assert 'href="/queue?name=post"' in text


def test_messages_of_a_queue_by_state_and_task(browser: Browser, broker: Broker) -> None:
    """A state and a task choose which are shown, with their arguments."""
    broker.submit(Message("mail", queue="post", uuid="now", args=(1, "two"), kwargs={"to": "ada"}))
    broker.submit(Message("bill", queue="post", uuid="other"))
    broker.submit(Message("mail", queue="post", uuid="later", delay=60_000))
    ready = browser.get("/queue?name=post&state=ready&task=mail").text
    assert "uuid=now" in ready
    assert "1, &#34;two&#34;, to=&#34;ada&#34;" in ready
    assert "uuid=other" not in ready
    assert "uuid=later" in browser.get("/queue?name=post&state=delayed").text
    assert "uuid=other" in browser.get("/queue?name=post").text


def test_one_message(browser: Browser, dead: Message) -> None:
    """Everything about it: why it does not run, its arguments, its error."""
    answer = browser.get("/message?uuid=dead-1")
    assert "no order 7" in answer.text
    assert "&#34;order&#34;: 7" in answer.text
    assert "charge" in answer.text
    missing = browser.get("/message?uuid=never")
    assert missing.status_code == 404
    assert "No message never is known" in missing.text


def test_dead_letters_by_cause(browser: Browser, broker: Broker, dead: Message) -> None:
    """Those of one cause are one line; a cause shows its letters."""
    for number in (8, 9):
        message = Message("charge", queue="shop", uuid=f"dead-{number}")
        broker.submit(message)
        broker.fail(message, ValueError(f"no order {number}"))
    page = browser.get("/dead")
    fields = next(fields for path, fields in forms(page) if path == "/change/dead.replay")
    letters = browser.get(f"/dead?fingerprint={fields['fingerprint']}").text
    assert all(f"uuid=dead-{number}" in letters for number in (1, 8, 9))
    assert "There are no dead letters like that" in browser.get("/dead?task=other").text


def test_workers_schedules_limits_and_groups(browser: Browser, broker: Broker) -> None:
    """Each is shown with its name, and what is to be said of it."""
    pytest.importorskip("apscheduler")
    port = broker.backend.messages
    facts = WorkerFacts("höst", 77, "0.1.0", ("mail",), 4)
    port.register(Worker("w1", "thread", None, 60_000, 0), facts)

    @task(broker, name="nightly", limits=[Concurrency(1, key="crm")])
    def nightly() -> None: ...

    nightly.generate()
    nightly.generate()
    Group([Message("one"), Message("two")], id="pair").submit(broker)
    assert "höst:77" in browser.get("/workers").text
    limits = browser.get("/limits").text
    assert "crm" in limits
    assert "full" in limits
    assert 'href="/group?id=pair"' in browser.get("/groups").text
    assert "0 of 2 have ended" in browser.get("/group?id=pair").text
    assert browser.get("/group?id=never").status_code == 404


def test_what_the_store_says_is_escaped(browser: Browser, broker: Broker) -> None:
    """Names, arguments and texts of errors are shown as text, on every page."""
    port = broker.backend.messages
    for uuid in ("a", HOSTILE):
        message = Message(HOSTILE, queue=HOSTILE, uuid=uuid, args=(HOSTILE,), kwargs={HOSTILE: HOSTILE})
        broker.submit(message)
    broker.fail(Message(HOSTILE, queue=HOSTILE, uuid="a"), ValueError(HOSTILE))
    port.pause(HOSTILE, HOSTILE)
    queue = {"name": HOSTILE}
    pages = ["/", "/queues", "/dead", "/workers", "/groups", "/message?uuid=a", f"/queues?find={HOSTILE[:4]}"]
    texts = [browser.get(path).text for path in pages]
    texts.append(browser.run(browser.client.get("/queue", params=queue)).text)
    texts.append(browser.run(browser.client.get("/dead", params={"task": HOSTILE})).text)
    texts.append(browser.run(browser.client.get("/message", params={"uuid": HOSTILE})).text)
    for text in texts:
        assert "<script>alert" not in text
        assert text.count("<script") <= 1
    assert sum("&lt;script&gt;alert" in text for text in texts) >= 8


def test_what_no_encoding_has_is_shown(browser: Browser, broker: Broker) -> None:
    """A lone half of a character pair, which JSON can name, stops no page."""
    broker.submit(Message("t", queue="q", uuid="half", kwargs={"x": "\ud800"}))
    assert browser.get("/queue?name=q").status_code == 200
    assert browser.get("/message?uuid=half").status_code == 200


def test_below_a_prefix(browse: Callable[..., Browser], broker: Broker, dead: Message) -> None:
    """Every link, form and file of a page is below the path where the dashboard is mounted."""
    browser = browse(prefix="/ops/alsek")
    assert browser.get("/ops/alsek").headers["location"].endswith("/ops/alsek/")
    for path in ("/", "/dead", "/message?uuid=dead-1", "/queues"):
        text = browser.get(f"/ops/alsek{path}").text
        for part in ("href", "action", "src", "data-events"):
            links = [piece.split('"', 1)[0] for piece in text.split(f' {part}="')[1:]]
            assert all(link.startswith(("/ops/alsek/", "#")) for link in links), links
    page = browser.get("/ops/alsek/message?uuid=dead-1")
    after = browser.follow(browser.send(page, "/dead.replay"))
    assert "Replayed 1 dead letter." in after.text
    assert str(after.url).startswith("http://127.0.0.1:8080/ops/alsek/message?")


def test_the_last_hour(browser: Browser, broker: Broker) -> None:
    """What workers counted is in the picture, and in the sentence that stands for it."""
    worker = an_actor(broker.backend)
    worker.step(limit=0, history=[HistoryCounts("q", "t", "s:5 o:4 f:1"), HistoryCounts("p", "u", "f:2 r:3")])
    text = browser.get("/").text
    assert "4 succeeded, 3 failed; at most 7 a minute" in text
    assert "3 messages failed for good in the last 5 minutes (u, t)." in text
    assert "3 retries" in text


def test_an_unknown_page(browser: Browser) -> None:
    """It is said that there is none, in a page with the menu."""
    answer = browser.get("/nothing")
    assert answer.status_code == 404
    assert 'href="/queues"' in answer.text


def test_large_values_are_cut(browser: Browser, broker: Broker) -> None:
    """A page is short, however much a message carries; it says that there is more."""
    kwargs = {"text": "x" * 300_000, **{f"argument{n}": n for n in range(100)}}
    broker.submit(Message("t", queue="q", uuid="large", args=(list(range(9_000)),) * 30, kwargs=kwargs))
    assert len(browser.get("/queue?name=q").text) < 20_000
    text = browser.get("/message?uuid=large").text
    assert len(text) < 200_000
    assert "more characters)" in text


def test_while_the_store_is_away(browser: Browser, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and changes say so, with the sentence of the store."""
    seal = browser.get("/queue?name=q").text.split('name="form" value="', 1)[1].split('"', 1)[0]

    def away(*_: object) -> None:
        raise BackendUnavailableError("the store is away")

    monkeypatch.setattr(broker.backend.messages, "tallies", away)
    monkeypatch.setattr(broker.backend.messages, "pause", away)
    monkeypatch.setattr("alsek.dashboard.reading.store_view.FRESH_S", -1.0)
    for answer in (browser.get("/"), browser.post("/change/queue.pause", {"form": seal, "name": "q"})):
        assert answer.status_code == 503
        assert "the store is away" in answer.text
