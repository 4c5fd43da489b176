"""The documents say what the code does: examples run, links lead somewhere, nothing is left out."""

from __future__ import annotations

import inspect
import re
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import click
import pytest

from alsek import Broker, Message, exceptions
from alsek.cli.main import main
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.redis.keys import Keys
from tests.unit.quoted_texts import is_of_the_code, is_quoted_from, texts_of_the_code
from tests.waiting import patient

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

#: Pages whose Python stands for itself, block by block.
RUNNABLE = [
    DOCS / f"{name}.md"
    for name in ("backends", "dashboard", "limits", "troubleshooting", "unique", "workers")
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    """For the name of a test."""
    return str(page.relative_to(ROOT))


def python_of(page: Path) -> list[str]:
    """The blocks of Python of a page, in order."""
    return [body for language, body in _FENCE.findall(page.read_text()) if language == "python"]


def anchors_of(page: Path) -> set[str]:
    """What its headings are called in a link, as GitHub has it."""
    text = _FENCE.sub("", page.read_text())
    titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broker_with_a_dead_letter() -> Broker:
    """What a page may take for granted."""
    broker = Broker(MemoryBackend())
    message = Message("a_task")
    broker.submit(message)
    broker.fail(message)
    return broker


@pytest.mark.parametrize(
    "page", [README, *(DOCS / f"{name}.md" for name in ("groups", "long-work", "schedules"))], ids=name_of
)
def test_examples_with_a_worker_run(page: Path, tmp_path: Path) -> None:
    """The first block is `tasks.py`; with a worker on it, the others print what their comments say."""
    tasks, *others = python_of(page)
    assert others
    (tmp_path / "tasks.py").write_text(tasks)
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "alsek.cli", "thread-pool", "tasks", "--n_processes", "1"]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, cwd=tmp_path, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while "Started group" not in log.read_text():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        for block in others:
            done = subprocess.run(
                [sys.executable, "-c", patient(block)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            expected = re.findall(r"^ *print\(.*\)  # (.+)$", block, re.MULTILINE)
            assert (done.returncode, done.stdout.split()) == (0, expected), done.stderr + log.read_text()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0, log.read_text()
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of Python on these pages runs by itself, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(python_of(page)):
        code = compile(block, f"{page.name}, block {number}", "exec")
        exec(code, {"__name__": f"docs_{page.stem}_{number}", "broker": broker_with_a_dead_letter()})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_are_python(page: Path) -> None:
    """Each block that is called Python can be compiled."""
    text = page.read_text()
    for language, block in _FENCE.findall(text):
        if language in ("python", "py"):  # `py` is code of other libraries, which is not run
            compile(block, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file or folder of the repository, and a heading that the page has."""
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.is_relative_to(ROOT) or not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert not broken


def test_every_option_of_a_pool_is_documented() -> None:
    """docs/workers.md has a row for each option of each pool's command, with its default."""
    rows = [row for row in (DOCS / "workers.md").read_text().splitlines() if row.startswith("| `")]
    context = click.Context(main)
    for name in ("process-pool", "thread-pool"):
        command = main.get_command(context, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                spelling = f"`--{option.name}`"
                named = [row.split("|") for row in rows if spelling in row.split("|")[1]]
                assert named, f"alsek {name} {spelling}"
                if isinstance(option.default, int) and not option.is_flag:
                    assert str(option.default) in [row[2].strip() for row in named], (
                        f"alsek {name} {spelling}"
                    )


def test_every_exception_is_explained() -> None:
    """docs/troubleshooting.md names each class of alsek.exceptions."""
    text = (DOCS / "troubleshooting.md").read_text()
    classes = [
        name
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and kind.__module__ == exceptions.__name__
    ]
    assert "AlsekError" in classes
    assert [name for name in classes if not re.search(rf"`{name}\b", text)] == []


#: Commands and code on that page, with a space in them.
_NO_QUOTATION = ("pip install ", "sqlite3 FILE", "backoff=", "if __name__")

#: What only those meet who call a store's ports themselves.
_FOR_PORTS = "WorkerUnknownError"


def quotations() -> list[str]:
    """What docs/troubleshooting.md quotes."""
    text = _FENCE.sub("", (DOCS / "troubleshooting.md").read_text())
    spans = re.findall(r"`([^`\n]+)`", text)
    return [span for span in spans if " " in span and not span.startswith(_NO_QUOTATION)]


def test_quoted_texts_are_those_of_the_code() -> None:
    """Each error and log line that docs/troubleshooting.md quotes is one of the code's."""
    assert len(quotations()) > 50
    assert [quoted for quoted in quotations() if not is_of_the_code(quoted)] == []


@pytest.mark.parametrize(
    ("quoted", "text", "same"),
    [
        ("… failed for good: …", "… failed for good: …: ……", True),
        ("KeyError: no result of … is stored", "no result of … is stored: give a timeout", True),
        ("two tasks are named 'add'", "two tasks are named …: … and …; give one another `name`", True),
        ("A thread did not end after the timeout of …", "The thread of … …: it is abandoned", False),
        ("A thread did not end", "did not end after the timeout", False),
        ("queue '…': must be text", "queue …: must be a number", False),
    ],
)
def test_what_a_quotation_is(quoted: str, text: str, same: bool) -> None:
    """A part of the text, with examples for what differs; not a sentence that only resembles it."""
    assert is_quoted_from(quoted, text) is same


def test_every_error_and_warning_is_explained() -> None:
    """docs/troubleshooting.md quotes each error of alsek.exceptions, and each log line from WARNING on.

    But for ValidationError, of which there are many: the text of each says what to do.
    """
    classes = {name for name, kind in vars(exceptions).items() if inspect.isclass(kind)}
    wanted = classes - {"ValidationError", _FOR_PORTS} | {"KeyError", "TimeoutError", "warnings.warn"}
    wanted |= {f"log.{level}" for level in ("warning", "error", "exception", "critical")}
    quoted = quotations()
    missing = [
        f"{text.file}:{text.line}: {text.use}({text.text!r})"
        for text in texts_of_the_code()
        if text.use in wanted and re.search(r"[a-z]{2}", text.text)
        if not any(is_quoted_from(each, text.text) for each in quoted)
    ]
    assert not missing, "docs/troubleshooting.md does not quote:\n" + "\n".join(missing)


def test_every_redis_key_is_documented() -> None:
    """docs/keys.md names each function of keys.py, and each name that a script makes from the prefix."""
    text = (DOCS / "keys.md").read_text()
    functions = [name for name, _ in inspect.getmembers(Keys, inspect.isfunction) if not name.startswith("_")]
    assert "messages" in functions
    assert [name for name in functions if f"`{name}(" not in text] == []

    scripts = files("alsek.storage.backends.redis") / "scripts"
    folders = (scripts, scripts / "shared")
    lua = "".join(
        f.read_text("utf-8") for folder in folders for f in folder.iterdir() if f.name.endswith(".lua")
    )
    names = set(re.findall(r"P \.\. '(\w+)", lua)) | set(re.findall(r"'(\w+):'", lua))
    assert {"claims", "ready", "finished"} <= names
    assert sorted(name for name in names if not re.search(rf"`{name}(:|`)", text)) == []


def test_every_sqlite_table_is_documented() -> None:
    """docs/keys.md has a row for each table of schema.sql."""
    text = (DOCS / "keys.md").read_text()
    schema = (files("alsek.storage.backends.sqlite") / "schema.sql").read_text("utf-8")
    tables = re.findall(r"^CREATE TABLE (\w+)", schema, re.MULTILINE)
    assert "messages" in tables
    assert [table for table in tables if f"\n| `{table}` |" not in text] == []
