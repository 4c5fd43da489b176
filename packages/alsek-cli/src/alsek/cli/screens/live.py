"""Runs ``alsek top``: asks the store once a second, and does what keys say."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.live import Live

from alsek.cli.actions.who import whoever
from alsek.cli.screens.keys import Keys
from alsek.cli.screens.live_screen import LiveScreen
from alsek.cli.screens.snapshot import AGED, take
from alsek.core.clock import real_time as time
from alsek.core.inspection.inspector import Inspector
from alsek.exceptions import BackendError
from alsek.storage.backends.abstract import Backend

#: The longest that the screen stands still while the store does not answer.
_PATIENCE_MS: Final = 2_000
_MOVES: Final = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page up": -10,
    "page down": 10,
    "home": -(10**9),
    "end": 10**9,
}


def run_live(backend: Backend, console: Console, interval_ms: int) -> None:
    """Show the store until ``q`` is pressed.

    Raises:
        BackendError: The store does not answer at the beginning.
    """
    quick = backend.within(_PATIENCE_MS)
    inspector = Inspector(quick)
    screen = LiveScreen(take(inspector, causes=False, aged=AGED))
    try:
        with Keys() as keys, Live(screen=True, console=console, auto_refresh=False) as live:
            _loop(screen, live, keys, inspector, interval_ms / 1_000)
    finally:
        quick.close()


def _loop(screen: LiveScreen, live: Live, keys: Keys, inspector: Inspector, interval_s: float) -> None:
    due = time.monotonic() + interval_s
    while True:
        live.update(screen.render(live.console), refresh=True)
        key = keys.next(due - time.monotonic())
        if key in ("q", "Q", "end of input"):
            return
        if key in _MOVES:
            screen.said = ""
            screen.move(_MOVES[key])
        elif key in ("p", "P"):
            _toggle(screen, inspector.backend)
            due = 0.0  # shows it at once
        if time.monotonic() >= due:
            try:
                screen.update(take(inspector, causes=False, aged=AGED))
            except BackendError as error:
                screen.trouble = str(error)
            due = time.monotonic() + interval_s


def _toggle(screen: LiveScreen, backend: Backend) -> None:
    """Pause the chosen queue, or resume it."""
    queue = screen.chosen
    if queue is None:
        return
    try:
        if screen.chosen_is_paused:
            backend.messages.resume(queue)
            screen.said = f"resumed queue {queue!r}"
        else:
            backend.messages.pause(queue, whoever())
            screen.said = f"paused queue {queue!r}: p resumes it"
    except BackendError as error:
        screen.said = str(error)
