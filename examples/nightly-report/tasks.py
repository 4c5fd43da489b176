"""The task of this example: `alsek thread-pool tasks` runs it each night."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from alsek import Broker, ResultStore, Scheduled, SQLiteBackend, task

backend = SQLiteBackend(os.environ.get("REPORTS_DB", "reports.db"))
broker = Broker(backend, result_store=ResultStore(backend))

BERLIN = ZoneInfo("Europe/Berlin")
FOLDER = Path(os.environ.get("REPORTS_FOLDER", "reports"))


# If no pool was there at three, the report is made when the next one starts.
@task(broker, schedule=Scheduled(CronTrigger(hour=3, timezone=BERLIN), missed="latest"))
def nightly_report() -> str:
    """Write the report of yesterday, and return the name of its file."""
    day = (datetime.now(BERLIN) - timedelta(days=1)).date()
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{day.isoformat()}.txt"
    file.write_text(f"Report of {day:%A}, {day.isoformat()}\n")
    return file.name
