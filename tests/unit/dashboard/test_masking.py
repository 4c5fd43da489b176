"""Arguments are hidden by name, wherever they show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek import Broker, Message, task
from alsek.dashboard.masking import HIDDEN, Masker
from alsek.storage.backends.records import FOR_EVER
from tests.unit.dashboard.browser import Browser

SECRET = "hunter'2 \"é\\"


def test_by_name_in_every_depth(browse: Callable[..., Browser], broker: Broker) -> None:
    """In keyword arguments and dicts within them, whatever the case of the name; others are shown."""
    broker.submit(
        Message(
            "login",
            queue="q",
            uuid="m",
            kwargs={
                "Password": SECRET,
                "user": {"name": "ada", "keys": [{"token": "tok-123", "kind": "api"}]},
            },
            metadata={"token": "tok-456"},
        )
    )
    browser = browse(mask=("password", "token"))
    for path in ("/message?uuid=m", "/queue?name=q"):
        text = browser.get(path).text
        assert "hunter" not in text
        assert "tok-" not in text
        assert "ada" in text
        assert HIDDEN in text


def test_in_errors_and_results(browse: Callable[..., Browser], broker: Broker) -> None:
    """What was hidden is hidden in the error, traceback and result that quote it, however it is quoted."""
    for uuid, text in (
        ("a", f"wrong: {SECRET}"),
        ("b", f"wrong: {SECRET!r}"),
        ("c", "call(password='other9')"),
    ):
        message = Message("login", queue="q", uuid=uuid, kwargs={"password": SECRET}, status_ttl=FOR_EVER)
        broker.submit(message)
        broker.fail(message, ValueError(text))
    done = Message("login", uuid="done", kwargs={"password": SECRET}, status_ttl=FOR_EVER)
    broker.backend.results.put(
        done.uuid, broker.backend.serializer.forward({"token": "tok-1", "n": 1}), 60_000
    )
    browser = browse(mask=("password", "token"))
    for path in ("/message?uuid=a", "/message?uuid=b", "/message?uuid=c", "/dead", "/dead?task=login", "/"):
        text = browser.get(path).text
        assert "hunter" not in text, path
        assert "other9" not in text, path
    assert "tok-1" not in browser.get("/message?uuid=done").text


def test_by_position(browse: Callable[..., Browser], broker: Broker) -> None:
    """With the task, the parameter tells the name; without, all arguments by position are hidden."""

    @task(broker, queue="q")
    def login(user: str, password: str) -> None: ...

    login.generate(args=("ada", "hunter2"))
    known = browse(mask=("password",), tasks=(login,)).get("/queue?name=q").text
    unknown = browse(mask=("password",)).get("/queue?name=q").text
    assert ("ada" in known, "hunter2" in known) == (True, False)
    assert ("ada" in unknown, "hunter2" in unknown) == (False, False)
    assert "hunter2" in browse().get("/queue?name=q").text


def test_schedules_too(browse: Callable[..., Browser], broker: Broker) -> None:
    """The arguments of a schedule are hidden like those of its messages."""
    triggers = pytest.importorskip("apscheduler.triggers.interval")

    @task(broker, name="rotate")
    def rotate(token: str) -> None: ...

    rotate.schedule("hourly", triggers.IntervalTrigger(hours=1), kwargs={"token": "tok-123"})
    assert "tok-123" not in browse(mask=("token",)).get("/schedule?name=hourly").text
    assert "tok-123" in browse().get("/schedule?name=hourly").text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("f(password='a b', x=1)", f"f(password={HIDDEN}, x=1)"),
        ('{"password": "a \\" b", "x": 1}', f'{{"password": {HIDDEN}, "x": 1}}'),
        ("PASSWORD=abc&x=1", f"PASSWORD={HIDDEN}&x=1"),
        ("my_passwords=abc", "my_passwords=abc"),
        ("no password here", "no password here"),
    ],
)
def test_texts_that_name_it(text: str, masked: str) -> None:
    """What stands behind the name is hidden, and the rest of the text stays."""
    assert Masker(frozenset({"password"}), {}).line(text) == masked
