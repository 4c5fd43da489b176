"""A shop at work: a store in memory with an hour of history, and something for every page."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek import Broker, Concurrency, Group, Message, Rate, task
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, HistoryCounts, Report, Running
from tests.contract.workers import Actor, an_actor, the_facts

_TRACE = """Traceback (most recent call last):
  File "/app/shop/tasks.py", line 88, in {task}
    return gateway.charge(order.card, order.total)
  File "/app/shop/gateway.py", line 31, in charge
    raise {name}({text!r})
{name}: {text}
"""
_FAILURES = (
    ("charge", "CardDeclined", "card declined by the bank: insufficient funds", 7),
    ("ship", "TimeoutError", "carrier.example did not answer within 30 s", 4),
    ("mail", "SMTPRecipientsRefused", "550 no such mailbox", 1),
)


class Shop:
    """The store, its broker, and the workers in it.

    Attributes:
        broker: The broker.
        dead: The uuid of a dead letter.
        running: The uuid of a running message that has told how far it is.
    """

    def __init__(self) -> None:
        self._behind = 60 * MINUTE_MS
        self.backend = MemoryBackend(clock=self.now)
        self.broker = Broker(self.backend)
        self.worker: Actor = self._a_worker("web-1", 4211)
        self.running = "0198c1de-77aa-7e10-9c3f-5d2b8a40e001"
        self.dead = "0198c1de-0000-7e10-9c3f-000000000000"
        self._hour()
        self._schedules()
        self._dead_letters()
        self._backlog()

    def now(self) -> int:
        """The time on the store's clock: Unix milliseconds."""
        return time.time_ns() // 1_000_000 - self._behind

    def submit(self, uuid: str, queue: str = "mail") -> None:
        """Submit a message."""
        self.broker.submit(Message("mail", queue=queue, uuid=uuid, kwargs={"to": "ada@example.com"}))

    def _a_worker(self, host: str, pid: int) -> Actor:
        facts = the_facts("charge", "mail", "ship", "report", host=host, pid=pid, version="0.1.0", slots=16)
        return an_actor(self.backend, id=f"{host}-{pid}", lease=3_600_000, facts=facts)

    def _hour(self) -> None:
        """An hour of work, with some failures at its end."""
        for minute in range(60):
            done = int(260 + 120 * math.sin(minute / 7) + 40 * math.sin(minute / 2))
            failed = 6 if minute in (57, 58) else 25 if minute == 41 else 0
            self.worker.step(
                limit=0,
                history=[
                    HistoryCounts("mail", "mail", f"s:{done} o:{done}"),
                    HistoryCounts("orders", "charge", f"s:{failed + 20} o:20 f:{failed} r:3"),
                ],
            )
            self._behind -= MINUTE_MS
        self._behind = 0
        self.worker.step(limit=0, history=[HistoryCounts("mail", "mail", "s:300 o:300")])

    def _schedules(self) -> None:
        @task(self.broker, name="report")
        def report(**kwargs: Any) -> None: ...

        report.schedule("nightly-report", CronTrigger.from_crontab("0 3 * * *", timezone="Europe/Berlin"))
        report.schedule("digest-eu", IntervalTrigger(hours=6), kwargs={"region": "eu"})
        report.schedule("stock-sync", IntervalTrigger(minutes=15))
        found = self.broker.schedule("stock-sync")
        assert found is not None
        found.pause("ada@ops")

    def _dead_letters(self) -> None:
        number = 0
        for name, exception, text, many in _FAILURES:
            for _ in range(many):
                uuid = self.dead[:-4] + f"{number:04}"
                number += 1
                kwargs = {"order": 7_100 + number, "card": "4111 1111 1111 1111"}
                self.broker.submit(Message(name, queue="orders", uuid=uuid, kwargs=kwargs))
                (claimed,) = self.worker.claim()
                trace = _TRACE.format(task=name, name=exception, text=text)
                error = json.dumps({"name": exception, "text": text, "traceback": trace}).encode()
                self.worker.step(Failed(uuid, "orders", claimed.token, error, 600_000_000), limit=0)

    def _backlog(self) -> None:
        """Running, ready, delayed, waiting and retried messages, a group, a paused queue."""
        self.broker.submit(Message("report", queue="reports", uuid=self.running, kwargs={"month": "2026-10"}))
        self.broker.submit(
            Message("ship", queue="orders", uuid=self.running[:-1] + "2", kwargs={"order": 7_201})
        )
        claims = self.worker.claim()
        now = self.now()
        running = [
            Running(claim.uuid, now - 42_000, 1, 4_211, f"alsek-{n}") for n, claim in enumerate(claims)
        ]
        self.backend.messages.renew(
            self.worker.worker, self.worker.seq, [claim.token for claim in claims], running
        )
        report = next(claim for claim in claims if claim.uuid == self.running)
        progress = json.dumps({"current": 37_000, "total": 100_000, "text": "rows"}).encode()
        lines = (b"10:02:11 INFO reading orders of 2026-10", b"10:02:35 INFO 37,000 rows written")
        self.backend.messages.report(
            self.worker.worker,
            [Report(report.uuid, report.queue, report.token, 1, progress, None, lines, 100)],
        )

        @task(
            self.broker, name="sync", queue="crm", limits=[Concurrency(1, key="crm"), Rate(100, per=60_000)]
        )
        def sync(customer: int) -> None: ...

        sync.generate_many((n,) for n in range(6))
        for number in range(18):
            self.submit(f"0198c1de-aaaa-7e10-9c3f-{number:012}")
        for number in range(3):
            self.broker.submit(Message("mail", queue="mail", delay=(number + 1) * 600_000))
        for number in range(5):
            self.broker.submit(Message("import", queue="imports", args=(f"catalogue-{number}.csv",)))
        self.backend.messages.pause("imports", "ada@ops")
        members = [Message("ship", queue="orders", kwargs={"order": 7_300 + n}) for n in range(4)]
        Group(members, Message("mail", queue="mail"), id="0198c1de-0710-shipment").submit(self.broker)
        an_actor(
            self.backend,
            id="batch-2-977",
            lease=60_000,
            facts=the_facts("ship", host="batch-2", pid=977, slots=4),
        )
