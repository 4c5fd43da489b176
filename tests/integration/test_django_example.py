"""The Django example, as its readers use it: its own tests, and real pools that run what real transactions submit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RedisServer
from tests.waiting import eventually

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django"

#: Orders by HTTP, as far as Django's client goes: one that commits, one that rolls back, one whose task will fail.
ORDERS = """
import asyncio, json
from django.test import Client
from shop.models import Order, Product
from shop.tasks import count_orders, report
tea = Product.objects.create(name="tea", stock=20)
post = lambda amount: Client().post(
    f"/products/{tea.pk}/orders", {"customer": "ada@example.com", "amount": amount}, "application/json"
)
good, refused, gone = post(15), post(15), post(1)
assert [each.status_code for each in (good, refused, gone)] == [201, 409, 201]
Order.objects.filter(pk=gone.json()["order"]).delete()
counted = asyncio.run(count_orders.aenqueue("ada@example.com"))
made = report.send()
print(json.dumps({"good": good.json()["confirmation"], "gone": gone.json()["confirmation"], "counted": counted.id}))
"""

LOOK = """
import json, sys
from shop.models import Order, Report
from shop.tasks import confirm
results = [confirm.get_backend().get_result(id) for id in {ids}]
print(json.dumps({{
    "results": [[each.status.value, each.attempts, each._return_value] for each in results],
    "errors": [error.exception_class_path for each in results for error in each.errors],
    "confirmed": Order.objects.filter(confirmed=True).count(),
    "reports": [each.orders for each in Report.objects.all()],
}}))
"""


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py, with all data in a folder."""
    environ = {**os.environ, "SHOP_DATA": str(folder)}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=EXAMPLE,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def shell(folder: Path, program: str) -> Any:
    """Run a program in the project; return what its last line says in JSON."""
    return json.loads(manage(folder, "shell", "-v", "0", "-c", program).stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.deep
def test_its_own_tests_pass(tmp_path: Path) -> None:
    """`manage.py check` and `manage.py test` find nothing wrong, and the tests leave no store behind."""
    manage(tmp_path, "check", "--fail-level", "WARNING")
    manage(tmp_path, "makemigrations", "--check")
    assert "OK" in manage(tmp_path, "test").stderr
    assert not list(tmp_path.glob("alsek.db*"))


@pytest.mark.slow
@pytest.mark.deep
def test_a_pool_is_started_again_when_a_task_changes(tmp_path: Path) -> None:
    """`manage.py alsek thread-pool --reload` watches the applications, from whatever folder it is started."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    log = tmp_path / "log"
    command = [sys.executable, str(project / "manage.py"), "alsek", "thread-pool", "--reload"]
    environ = {**os.environ, "SHOP_DATA": str(tmp_path)}
    with log.open("wb") as out:
        reloader = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=out, stderr=out)
    try:
        eventually(lambda: "Started group" in log.read_text(), 60, log.read_text)
        tasks = project / "shop" / "tasks.py"
        tasks.write_text(tasks.read_text().replace("def refill(", "def refill_soon("))
        (project / "shop" / "views.py").write_text("")
        eventually(lambda: "Tasks: refill_soon, report," in log.read_text(), 60, log.read_text)
        assert f"Watching {project / 'project'}, {project / 'shop'}:" in log.read_text()
        reloader.terminate()
        assert reloader.wait(60) == 0, log.read_text()
    finally:
        reloader.kill()
        reloader.wait()


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.parametrize(
    ("pool", "store"), [("thread-pool", "sqlite"), ("process-pool", "sqlite"), ("thread-pool", "redis")]
)
def test_pools_run_what_was_committed(
    tmp_path: Path,
    pool: str,
    store: str,
    redis_server: Callable[..., RedisServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a transaction has committed is run once, with the database; what was rolled back was never submitted."""
    if store == "redis":
        monkeypatch.setenv("SHOP_STORE", redis_server().url)
    manage(tmp_path, "migrate", "-v", "0")
    ids = shell(tmp_path, ORDERS)
    assert "6 ready" in manage(tmp_path, "alsek", "status").stdout
    log = manage(tmp_path, "alsek", pool, "--burst", "--n_processes", "2").stderr
    assert "Tasks: refill, report, shop.tasks.confirm, shop.tasks.count_orders." in log
    seen = shell(tmp_path, LOOK.format(ids=list(ids.values())))
    assert seen == {
        "results": [["SUCCESSFUL", 1, "ada@example.com"], ["FAILED", 1, None], ["SUCCESSFUL", 1, 1]],
        "errors": ["shop.models.Order.DoesNotExist"],
        "confirmed": 1,
        "reports": [1],
    }, log
    assert len(list((tmp_path / "mails").iterdir())) == 1
