"""The dashboard in a real browser: it is live, steers, fits, and works without scripts.

With ``ALSEK_PICTURES=1``, the pictures of docs/dashboard.md are made anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium.webdriver.common.by import By
from starlette.applications import Starlette

from alsek.dashboard import dashboard
from tests.integration.dashboard.chromium import ROOT, Chromium
from tests.integration.dashboard.shop import Shop

pytestmark = [pytest.mark.deep, pytest.mark.slow, pytest.mark.xdist_group("chromium")]

PREFIX = "/ops/alsek"
TOKEN = "a token of some length"
PICTURES = ROOT / "docs" / "images"


class Served:
    """A shop, and its dashboard in a server of this process: alone, below a prefix, and with a token."""

    def __init__(self) -> None:
        self.shop = Shop()
        app = Starlette()
        app.mount(PREFIX, dashboard(self.shop.broker))
        app.mount("/guarded", dashboard(self.shop.broker, token=TOKEN, read_only=True))
        app.mount("", dashboard(self.shop.broker, mask=("card",)))
        config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        started = threading.Event()
        startup = self._server.startup

        async def told(*args: Any, **more: Any) -> None:
            await startup(*args, **more)
            started.set()

        self._server.startup = told  # type: ignore[method-assign]
        self._thread.start()
        assert started.wait(60)
        (listener,) = self._server.servers[0].sockets
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def close(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join(60)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all of these tests."""
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def served(chromium: Chromium) -> Iterator[Served]:
    """A shop of its own for each test."""
    made = Served()
    yield made
    chromium.open("about:blank")
    made.close()


@pytest.fixture
def browser(chromium: Chromium) -> Chromium:
    """The browser as it usually is: wide, light, with scripts."""
    chromium.look()
    chromium.complaints()
    return chromium


def _pages(shop: Shop) -> dict[str, str]:
    return {
        "overview": "/",
        "queues": "/queues",
        "queue": "/queue?name=mail",
        "message": f"/message?uuid={shop.running}",
        "dead letter": f"/message?uuid={shop.dead}",
        "dead": "/dead",
        "cause": "/dead?task=charge",
        "workers": "/workers",
        "schedules": "/schedules",
        "schedule": "/schedule?name=digest-eu",
        "limits": "/limits",
        "groups": "/groups",
        "group": "/group?id=0198c1de-0710-shipment",
        "none": "/nothing",
    }


def test_all_pages_fit_and_keep_nobody_out(browser: Chromium, served: Served) -> None:
    """No page has a barrier that axe-core finds, light or dark, wide or narrow; none is wider than a telephone; and the
    browser complains of nothing."""
    found: dict[str, Any] = {}
    for name, path in _pages(served.shop).items():
        for width, dark in ((1280, False), (390, True)):
            browser.look(width=width, dark=dark)
            browser.open(served.url + path)
            where = f"{name}, {width} px"
            complaints = [each for each in browser.complaints() if " 404 " not in each]
            if complaints or browser.too_wide() > 0:
                found[where] = (complaints, browser.too_wide())
            if barriers := browser.barriers():
                found[f"{where}, barriers"] = barriers
            browser.complaints()
    assert found == {}


def test_an_open_page_follows_the_store(browser: Chromium, served: Served) -> None:
    """A message that is submitted shows without a reload; not while the page is paused."""
    browser.open(f"{served.url}/queue?name=orders2")
    browser.wait_for("Live")
    served.shop.submit("submitted-while-open", "orders2")
    browser.wait_for("submitted-while-open")
    browser.press("Pause updates")
    assert "Paused" in browser.text()
    served.shop.submit("submitted-while-paused", "orders2")
    browser.press("Resume updates")
    browser.wait_for("submitted-while-paused")
    assert browser.complaints() == []


def test_replays_and_purges(browser: Chromium, served: Served) -> None:
    """Forms of live pages replay a cause, and purge one after a question."""
    broker = served.shop.broker
    browser.open(f"{served.url}/dead")
    browser.wait_for("Live")
    browser.press("Replay")
    browser.wait_for("Replayed 7 dead letters.")
    assert broker.exists(served.shop.dead)
    browser.press("Purge…")
    browser.wait_for("Are you sure?")
    assert len(list(broker.dead_letters("orders"))) == 5
    browser.press("Delete 4 dead letters")
    browser.wait_for("Deleted 4 dead letters.")
    assert len(list(broker.dead_letters("orders"))) == 1
    assert browser.complaints() == []


def test_without_scripts(browser: Chromium, served: Served) -> None:
    """Every page can be read, and every form works, in a browser that runs no script."""
    browser.look(script=False)
    for path in _pages(served.shop).values():
        browser.open(served.url + path)
        assert browser.driver.find_elements(By.TAG_NAME, "h1"), path
        assert "Pause updates" not in browser.text(), "the script runs"
    browser.open(f"{served.url}/queue?name=mail")
    browser.press("Pause queue")
    browser.wait_for("Queue “mail” is paused.")
    browser.open(f"{served.url}/message?uuid={served.shop.dead}")
    browser.press("Purge…")
    browser.press("Delete 1 dead letter")
    browser.wait_for("No message")
    assert not served.shop.broker.in_dlq(served.shop.dead)


def test_below_a_prefix(browser: Chromium, served: Served) -> None:
    """Files, links, forms and news are those below the path where it is mounted."""
    browser.open(f"{served.url}{PREFIX}/")
    browser.wait_for("Live")
    browser.driver.find_element(By.LINK_TEXT, "orders").click()
    assert browser.driver.current_url == f"{served.url}{PREFIX}/queue?name=orders"
    browser.press("Pause queue")
    browser.wait_for("Paused by dashboard@")
    assert browser.driver.current_url.startswith(f"{served.url}{PREFIX}/queue?name=orders&notice=")
    assert browser.complaints() == []


def test_the_login(browser: Chromium, served: Served) -> None:
    """The token opens the page that was asked for; a read-only dashboard has no buttons that change something."""
    browser.open(f"{served.url}/guarded/dead")
    assert browser.barriers() == []
    browser.driver.find_element(By.ID, "token").send_keys(TOKEN)
    browser.press("Log in")
    browser.wait_for("CardDeclined")
    assert "Replay" not in browser.text()
    assert "read-only" in browser.text()
    browser.press("Log out")
    browser.wait_for("Token")


def test_pictures(browser: Chromium, served: Served) -> None:
    """The pages that docs/dashboard.md has pictures of have pictures: made anew if that is asked for."""
    wanted = {
        "overview": ("/", 1280, False),
        "overview-dark": ("/", 1280, True),
        "dead": ("/dead", 1280, False),
        "message": (f"/message?uuid={served.shop.running}", 1280, False),
        "narrow": ("/", 390, False),
    }
    page = (ROOT / "docs" / "dashboard.md").read_text()
    for name, (path, width, dark) in wanted.items():
        file = PICTURES / f"dashboard-{name}.png"
        assert f"](images/{file.name})" in page
        if os.environ.get("ALSEK_PICTURES"):
            browser.look(width=width, dark=dark)
            browser.open(served.url + path)
            browser.wait_for("Live")
            PICTURES.mkdir(exist_ok=True)
            browser.driver.save_screenshot(str(file))
        assert Path(file).stat().st_size < 150_000
