"""A real browser, without a screen: Chromium, driven by Selenium."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT: Final = Path(__file__).parents[3]

#: What finds faults of pages for people who see little, or use no mouse. It comes from npm, and is kept beside the
#: environments.
_AXE_VERSION: Final = "4.14.1"
_AXE_FOLDER: Final = ROOT / ".hatch" / "npm" / f"axe-core-{_AXE_VERSION}"

_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_RUN_AXE: Final = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(
    (found) => done(found.violations.map((each) => [each.id, each.help, each.nodes.map((node) => node.html)])),
    (error) => done([String(error)]));
"""


class Chromium:
    """A browser with a profile of its own.

    Args:
        profile: An empty folder.
    """

    def __init__(self, profile: Path) -> None:
        browser, driver = _program("chromium"), _program("chromedriver")
        options = ChromeOptions()
        options.binary_location = browser
        for option in (*_OPTIONS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(60)

    def open(self, url: str) -> None:
        """Open a page."""
        self.driver.get(url)

    def look(self, *, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        """Set how pages are looked at from now on."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", **size)
        self._tell("Emulation.setScriptExecutionDisabled", value=not script)

    def text(self) -> str:
        """What the page shows."""
        # In one step: an element that was found may be of a page that has been left.
        return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))

    def press(self, button: str) -> None:
        """Press the first button with this text."""
        self.driver.find_element(
            By.XPATH, f"//button[normalize-space()={json.dumps(button, ensure_ascii=False)}]"
        ).click()

    def wait_for(self, text: str) -> None:
        """Wait until the page shows a text."""
        WebDriverWait(self.driver, 60).until(lambda _: text in self.text(), f"{text!r} is not shown")

    def complaints(self) -> list[str]:
        """What the browser complained of since the last call: scripts that failed, what the policy refused."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(
            self.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        )

    def barriers(self) -> list[Any]:
        """What keeps people from using the page, as axe-core finds it."""
        self.driver.execute_script(axe())
        found: list[Any] = self.driver.execute_async_script(_RUN_AXE)
        return found

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()

    def _tell(self, command: str, **parameters: Any) -> None:
        self.driver.execute_cdp_cmd(command, parameters)


def axe() -> str:
    """The script of axe-core; fetched from npm the first time."""
    script = _AXE_FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        _AXE_FOLDER.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            str(_AXE_FOLDER),
        ]
        subprocess.run([*command, f"axe-core@{_AXE_VERSION}"], check=True, capture_output=True, timeout=300)
    return script.read_text()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"This test needs {name}: apt-get install chromium chromium-driver, or what your system has."
        )
    return found
