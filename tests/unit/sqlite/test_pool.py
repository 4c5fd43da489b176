"""Connections: no more than operations at once, and none that outlives its thread."""

from __future__ import annotations

import threading

from alsek.storage.backends.sqlite import SQLiteBackend
from tests.unit.sqlite.play import submit


def test_connections_of_ended_threads_do_not_pile_up(backend: SQLiteBackend) -> None:
    """A hundred threads one after another leave one connection."""
    for n in range(100):
        thread = threading.Thread(target=submit, args=[backend, f"m{n}"])
        thread.start()
        thread.join()
    assert backend.messages.count("q") == 100
    pool = backend._database._pool
    assert (len(pool._idle), len(pool._busy)) == (1, 0)


def test_threads_at_once_share_the_file(backend: SQLiteBackend) -> None:
    """Eight threads write at once without an error, and nothing is lost."""
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(50):
                assert submit(backend, f"{name}-{n}") == [True]
                assert backend.messages.exists("q", f"{name}-{n}")
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=[f"t{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert backend.messages.count("q") == 400


def test_a_closed_backend_opens_again(backend: SQLiteBackend) -> None:
    """After close() the next operation connects anew."""
    submit(backend, "a")
    backend.close()
    assert not backend._database._pool._idle
    assert backend.messages.exists("q", "a")
