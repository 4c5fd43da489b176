"""docs/django.md: its blocks make a project that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django import VERSION

PAGE = Path(__file__).parents[3] / "docs" / "django.md"

MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
execute_from_command_line(sys.argv)
"""

#: What a project has beside: a database, and the backport.
BESIDE = """
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{name}.sqlite3"} for name in ("default", "archive")
}
SECRET_KEY = "it"
USE_TZ = True
"""


@pytest.mark.slow
@pytest.mark.deep
def test_the_page_is_a_project(tmp_path: Path) -> None:
    """Blocks that name a file are its text; the others print what their comments say; a pool runs what they submit."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    programs = []
    for block in blocks:
        named = re.match(r"# (\S+\.py)\n", block)
        if named is None:
            programs.append(block)
            continue
        file = tmp_path / named[1]
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as out:
            out.write(block)
    for package in ("project", "shop"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "manage.py").write_text(MANAGE)
    with (tmp_path / "project" / "settings.py").open("a") as settings:
        settings.write(BESIDE + ("" if VERSION >= (6, 0) else 'INSTALLED_APPS.append("django_tasks")\n'))

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env=environ
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALSEK_")}
    assert "no issues" in manage("check")
    for program in programs:
        (tmp_path / "program.py").write_text(program)
        expected = re.findall(r"^ *print\(.*\)  # (.+)$", program, re.MULTILINE)
        said = manage("shell", "-v", "0", "-c", "exec(open('program.py').read())")
        assert said.split() == expected
    log = manage("alsek", "--backend", "default", "thread-pool", "--burst")
    assert "Tasks: shop.tasks.count, shop.tasks.double, shop.tasks.greet, welcome." in log
    assert "attempt 1" in log
    assert "Welcome, Ada" in log
