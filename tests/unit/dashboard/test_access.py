"""Who sees and changes what: tokens, sessions, hosts, headers, and forms of other sites."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek import Broker, Message
from alsek.dashboard import dashboard
from alsek.dashboard.access.headers import HEADERS
from alsek.exceptions import ValidationError
from tests.unit.dashboard.browser import Browser, forms

TOKEN = "a token of some length"


def _logged_in(browser: Browser) -> Browser:
    page = browser.get("/login")
    assert browser.send(page, "/login", token=TOKEN).status_code == 303
    return browser


def test_every_answer_has_the_headers(browse: Callable[..., Browser]) -> None:
    """Pages, files, errors and redirections have them; the policy allows nothing inline, and nothing from elsewhere."""
    browser = browse(token=TOKEN)
    for path in ("/", "/login", "/static/dashboard.js", "/static/no", "/events?page=overview", "/a/b/c"):
        answer = browser.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


def test_pages_have_nothing_inline(browser: Browser, dead: Message) -> None:
    """No page has a style, a script or a handler in it, which the policy would refuse."""
    for path in ("/", "/queues", "/queue?name=shop", "/message?uuid=dead-1", "/dead", "/nothing"):
        text = browser.get(path).text
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert "<script src=" in text


def test_without_the_token_nothing_is_seen(browse: Callable[..., Browser], dead: Message) -> None:
    """Pages lead to the login, news and changes are refused; the wrong token is refused, the right one leads back."""
    browser = browse(token=TOKEN)
    login = browser.get("/message?uuid=dead-1")
    assert login.headers["location"] == "/login?back=message%3Fuuid%3Ddead-1"
    assert browser.get("/events?page=overview").status_code == 401
    assert browser.post("/change/dead.purge", {"all": "yes", "agreed": "yes"}).status_code == 401
    page = browser.follow(login)
    wrong = browser.send(page, "/login", token="another")
    assert wrong.status_code == 403
    assert "This is not the token." in wrong.text
    assert browser.get("/").status_code == 303
    after = browser.send(page, "/login", token=TOKEN)
    assert after.headers["location"] == "/message?uuid=dead-1"
    assert "no order 7" in browser.follow(after).text


def test_the_cookie_is_for_this_site_alone(browse: Callable[..., Browser]) -> None:
    """No script reads it, no other site sends it, and over https it goes over https alone."""
    browser = browse(token=TOKEN, base="https://ops.example")
    page = browser.get("/login")
    cookie = browser.send(page, "/login", token=TOKEN).headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "secure", "path=/"))


def test_logging_out(browse: Callable[..., Browser]) -> None:
    """The browser is asked for the token again."""
    browser = _logged_in(browse(token=TOKEN))
    page = browser.get("/")
    assert page.status_code == 200
    browser.send(page, "/logout")
    assert browser.get("/").status_code == 303


def test_no_session_can_be_made_up(browse: Callable[..., Browser]) -> None:
    """A cookie that was changed, or is of a session without the token, opens nothing."""
    browser = browse(token=TOKEN)
    browser.get("/login")
    (name, value), *_ = browser.client.cookies.items()
    for forged in (value.replace(".0.", ".1."), "", "a.b.c.d", value + "0"):
        browser.client.cookies.clear()
        assert browser.get("/", cookie=f"{name}={forged}").status_code == 303, forged


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil", "nothing", "javascript:x"]
)
def test_nobody_is_led_away(browse: Callable[..., Browser], back: str) -> None:
    """After the login, and after a change, the browser goes to a page of the dashboard whatever the form says."""
    browser = browse(token=TOKEN)
    page = browser.get("/login")
    assert browser.send(page, "/login", token=TOKEN, back=back).headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
    ],
)
def test_a_form_of_another_site_is_refused(
    browser: Browser, broker: Broker, dead: Message, headers: dict[str, str]
) -> None:
    """What the browser says of where a form comes from is enough to refuse it, even with the right seal."""
    page = browser.get("/message?uuid=dead-1")
    fields = next(fields for path, fields in forms(page) if path == "/change/dead.replay")
    if not headers["sec-fetch-site"]:
        request = browser.client.build_request("POST", "/change/dead.replay", data=fields, headers=headers)
        del request.headers["sec-fetch-site"]
        answer = browser.run(browser.client.send(request))
    else:
        answer = browser.post("/change/dead.replay", fields, **headers)
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert broker.in_dlq("dead-1")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "null", None])
def test_without_a_word_of_the_browser_the_seal_decides(
    browser: Browser, dead: Message, origin: str | None
) -> None:
    """A browser may say nothing, or null over plain http: the form is taken, one without seal is not."""
    page = browser.get("/message?uuid=dead-1")
    fields = next(fields for path, fields in forms(page) if path == "/change/dead.replay")
    headers = {} if origin is None else {"origin": origin}
    unsealed = {name: value for name, value in fields.items() if name != "form"}
    for form, status in ((unsealed, 403), (fields, 303)):
        answer = browser.run(browser.client.post("/change/dead.replay", data=form, headers=headers))
        assert answer.status_code == status


def test_the_seal_of_another_session_is_refused(browser: Browser, broker: Broker, dead: Message) -> None:
    """A seal goes with the cookie for which it was made."""
    fields = next(fields for path, fields in forms(browser.get("/message?uuid=dead-1")) if "replay" in path)
    browser.client.cookies.clear()
    assert browser.post("/change/dead.replay", fields).status_code == 403
    browser.get("/")
    assert browser.post("/change/dead.replay", fields).status_code == 403
    assert broker.in_dlq("dead-1")


def test_read_only(browse: Callable[..., Browser], broker: Broker, dead: Message) -> None:
    """No page has a form that changes something, and each change is refused."""
    browser = browse(read_only=True)
    for path in ("/", "/queues", "/queue?name=shop", "/message?uuid=dead-1", "/dead"):
        assert forms(browser.get(path)) == []
    answer = browser.post("/change/dead.replay", {"all": "yes"})
    assert answer.status_code == 403
    assert "read-only" in answer.text
    assert broker.in_dlq("dead-1")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil", 421),
    ],
)
def test_hosts(browse: Callable[..., Browser], host: str, status: int) -> None:
    """Only requests for one of the names are answered, so that no other name leads here."""
    browser = browse(hosts=("127.0.0.1", "localhost", "::1"))
    assert browser.get("/", host=host).status_code == status


def test_a_notice_is_what_the_dashboard_has_said(browser: Browser) -> None:
    """A link can't make the dashboard say something."""
    assert "Call this number" not in browser.get("/?notice=Call+this+number&sealed=0").text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"token": ""}, "token of dashboard"),
        ({"token": 7}, "token of dashboard"),
        ({"mask": "password"}, "must be names"),
        ({"mask": (7,)}, "7 is no name"),
        ({"tasks": ("t",)}, "'t' is no task"),
        ({"read_only": "yes"}, "must be True or False"),
    ],
)
def test_settings_are_checked(broker: Broker, settings: dict[str, object], text: str) -> None:
    """A setting of the wrong kind is refused with a sentence."""
    with pytest.raises(ValidationError, match=text):
        dashboard(broker, **settings)  # type: ignore[arg-type]


def test_a_backend_is_no_broker(broker: Broker) -> None:
    """The error says what must be given."""
    with pytest.raises(ValidationError, match="must be a Broker"):
        dashboard(broker.backend)  # type: ignore[arg-type]
