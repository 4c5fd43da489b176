"""The task of this example: `alsek process-pool tasks` runs it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bank import Bank

from alsek import Broker, Lock, ResultStore, Retry, SQLiteBackend, Unique, task

FOLDER = Path(os.environ.get("PAYMENTS_FOLDER", "."))
backend = SQLiteBackend(FOLDER / "payments.db")
broker = Broker(backend, result_store=ResultStore(backend))
bank = Bank(str(FOLDER / "bank.db"))

#: While this file is there, the next worker dies right after it has charged.
CRASH = FOLDER / "crash"


@task(broker, unique=Unique("{payment}"), timeout=2_000, backoff=None)
def pay(payment: str, account: str, cents: int) -> str:
    """Charge an account once for a payment, however often this runs."""
    with Lock(f"account-{account}", backend, ttl=3_000) as lock:  # longer than the timeout
        if not lock.acquire(wait=1_000):
            raise Retry(delay=500, uncounted=True)
        assert lock.fence is not None
        charged = bank.charge(payment, account, cents, lock.fence)
        if CRASH.exists():
            CRASH.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return "charged" if charged else "was charged already"
