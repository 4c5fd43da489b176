"""Every block of Python of the guide, and of the page that ``ALSEK_TOUR`` names, runs as it is written.

Each chapter runs in a process of its own, on a real store: once on Redis, once on SQLite. A chapter that waits for
results has a worker beside it: the real command, on a module of the chapter's definitions. The text of a block is never
changed; what it leaves open is supplied by the tables below, each entry with its reason.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import RedisServer
from tests.integration.environment import VARIABLE, stage_backend
from tests.integration.markdown_blocks import Block, blocks_of, chapters, definitions, headings_of
from tests.waiting import eventually, patient

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"
PAGES = {"guide": GUIDE} | ({"tour": Path(os.environ["ALSEK_TOUR"])} if os.environ.get("ALSEK_TOUR") else {})
KINDS = ("sqlite", "redis")

#: Blocks that are not run, by page and first line of code, each with its reason. There are none.
SKIPPED: dict[tuple[str, str], str] = {}


class Supplied(NamedTuple):
    """What a block takes for granted: for blocks whose code contains `text`, `name` is `stands_for`, since `why`."""

    text: str
    name: str
    stands_for: str
    why: str


SUPPLIED = (
    Supplied(
        "check_resource_usage.",
        "check_resource_usage",
        "check_system_usage",
        "the tour defines the task as check_system_usage, and calls it check_resource_usage further down",
    ),
    Supplied(
        "# Output: Message(uuid='67de0e4c",
        "message",
        "_",
        "the outputs that are stated are those of the message that the block above it prints, which no name is given",
    ),
)

#: Definitions of another chapter that a chapter needs: (text of the block that needs them, text of the block that has
#: them, why).
BORROWED = (
    ("tasks=[task_a, task_b]", "LinearBackoff(factor=30 * 1000)", "where the tour defines task_a and task_b"),
)


class Endless(NamedTuple):
    """A block that has no end by itself.

    Attributes:
        text: What such blocks contain.
        before: Run before it, in its namespace: something for it to do.
        signal: Ends it.
    """

    text: str
    before: str
    signal: signal.Signals


ENDLESS = (
    # A person ends the loop with Ctrl-C.
    Endless(
        "in consumer.stream():\n    print(",
        "from alsek import Broker, Message\n"
        "from alsek.storage.backends.redis import RedisBackend\n"
        "Broker(RedisBackend()).submit(Message('to_be_seen'))",
        signal.SIGINT,
    ),
    Endless(
        "pool.run()\n",
        "from alsek import Task\n"
        "next(each for each in list(globals().values()) if isinstance(each, Task)).generate()",
        signal.SIGTERM,
    ),
)

#: A chapter in which a block matches waits for results, so a worker runs beside it.
WAITS = re.compile(r"\.a?(?:get|result)\(.*timeout=|\.wait_for\(|\.listen\(|result_pool\.i?stream\(")


class Scene:
    """One chapter on one store."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder = folder
        self.place = place
        self.environment = os.environ | {VARIABLE: place, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.report = folder / "report.jsonl"
        self.output = folder / "output.txt"
        self.log = folder / "worker.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_worker(self, code: str) -> subprocess.Popen[bytes]:
        """Start the real command on a module of these definitions."""
        head = "from tests.integration.environment import set_stage\n\nset_stage()\n"
        future = "from __future__ import annotations\n"
        if future in code:
            head, code = future + head, code.replace(future, "")
        (self.folder / "chapter_tasks.py").write_text(head + code)
        return self._start(self.log, "alsek.cli", "thread-pool", "chapter_tasks", "--n_processes", "1")

    def perform(self, page: Path, blocks: list[Block], borrowed: str) -> subprocess.Popen[bytes]:
        """Start the process that runs the blocks."""
        planned = [_planned(block) for block in blocks]
        plan = {"page": str(page), "report": str(self.report), "borrowed": borrowed, "blocks": planned}
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        return self._start(self.output, "tests.integration.run_blocks", str(path))

    def _start(self, output: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *arguments]
        with output.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        self._processes.append(process)
        return process

    @property
    def printed(self) -> str:
        """What the blocks have printed, and what went wrong."""
        return self.output.read_text(errors="replace")

    @property
    def reported(self) -> list[dict[str, object]]:
        """One entry for each block that has run."""
        return (
            [json.loads(line) for line in self.report.read_text().splitlines()]
            if self.report.exists()
            else []
        )

    def close(self) -> None:
        """End what still runs, by pid."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _planned(block: Block) -> dict[str, object]:
    endless = _endless(block)
    return {
        "line": block.line,
        "code": patient(block.code),
        "names": {each.name: each.stands_for for each in SUPPLIED if each.text in block.code},
        "before": endless.before + "\n" if endless is not None else "",
        "endless": endless is not None,
    }


def _endless(block: Block) -> Endless | None:
    return next((each for each in ENDLESS if each.text in block.code), None)


def _cases() -> Iterator[object]:
    for name, page in PAGES.items():
        for chapter, blocks in chapters(blocks_of(page, "python")).items():
            names_redis = any("redis" in block.code.lower() for block in blocks)
            for kind in KINDS:
                marks = [pytest.mark.deep] if kind == "redis" and not names_redis else []
                yield pytest.param(page, blocks, kind, id=f"{name}-{chapter}-{kind}", marks=marks)


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of the test's own is."""
    if kind == "sqlite":
        return str(tmp_path / "alsek.db")
    start: Callable[[], RedisServer] = request.getfixturevalue("redis_server")
    return start().url


@pytest.mark.parametrize(("page", "blocks", "kind"), list(_cases()))
def test_tour_blocks_run(page: Path, blocks: list[Block], kind: str, place: str, tmp_path: Path) -> None:
    """Each block of the chapter runs to its end, and what it states as output is what comes out."""
    scene = Scene(tmp_path, place)
    blocks = [block for block in blocks if (page.name, block.code.splitlines()[0]) not in SKIPPED]
    everything = blocks_of(page, "python")
    borrowed = "".join(
        definitions(each.code)
        for needs, has, _ in BORROWED
        if any(needs in block.code for block in blocks)
        for each in everything
        if has in each.code
    )
    try:
        worker = None
        if any(WAITS.search(block.code) for block in blocks):
            worker = scene.start_worker("".join(definitions(block.code) for block in blocks))
        performer = scene.perform(page, blocks, borrowed)
        for block in blocks:
            endless = _endless(block)
            if endless is not None:
                _end(scene, performer, block, endless)
        status = performer.wait(timeout=240)
        assert status == 0, scene.printed + (scene.log.read_text() if worker is not None else "")
        assert [each["line"] for each in scene.reported] == [block.line for block in blocks]
        for each in scene.reported:
            for expression, stated, shown in each["shown"]:  # type: ignore[attr-defined]
                assert _agree(stated, shown), f"{expression} gives {shown}, stated is {stated}"
        if worker is not None:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=60) == 0, scene.log.read_text()
    finally:
        scene.close()


def _end(scene: Scene, performer: subprocess.Popen[bytes], block: Block, endless: Endless) -> None:
    """Wait until the block has done what it is for, then end it."""
    began = f"── block at line {block.line}\n"
    repeated = 0

    def at_work() -> bool:
        assert performer.poll() is None, scene.printed
        after = scene.printed.partition(began)[2]
        if endless.signal is signal.SIGINT:
            return "Got Message(" in after
        return bool(after) and "Started" in after and not stage_backend(scene.place).messages.queues()

    eventually(at_work, 60, lambda: scene.printed)
    performer.send_signal(endless.signal)
    deadline = time.monotonic() + 60
    while not any(each["line"] == block.line for each in scene.reported):
        assert time.monotonic() < deadline, scene.printed
        time.sleep(0.1)
        # Python drops an interrupt that comes within a `__del__`, and says so: then a user presses Ctrl-C once more.
        if scene.printed.partition(began)[2].count("Exception ignored in") > repeated:
            repeated += 1
            performer.send_signal(endless.signal)


def _agree(stated: str, shown: str) -> bool:
    """Whether an output is as stated; `...` in what is stated stands for anything."""
    return (
        re.fullmatch(".*".join(re.escape(part) for part in stated.split("...")), shown, re.DOTALL) is not None
    )


@pytest.mark.parametrize("page", list(PAGES.values()), ids=list(PAGES))
def test_tour_blocks_are_all_found(page: Path) -> None:
    """Each line of the page that opens a block of Python is a block that is run, or has a reason beside it."""
    opened = [line for line in page.read_text().splitlines() if line.strip() == "```python"]
    blocks = blocks_of(page, "python")
    skipped = [key for key in SKIPPED if key[0] == page.name]
    assert len(blocks) == len(opened) > 0
    ran = sum(len(each) for each in chapters(blocks).values())
    assert ran - len(skipped) == len(opened) - len(skipped)


@pytest.mark.skipif("tour" not in PAGES, reason="ALSEK_TOUR names no tour")
def test_tour_sections_have_tests_of_their_own() -> None:
    """For each heading of the tour there is a test that is named after it."""
    defined = "\n".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_tour*.py")))
    names = set(re.findall(r"^def (test_tour_\w+)\(", defined, re.MULTILINE))
    wanted = [
        f"test_tour_{re.sub(r'[^a-z]+', '_', heading.lower())}" for heading in headings_of(PAGES["tour"])
    ]
    assert len(wanted) > 30
    assert [name for name in wanted if name not in names] == []
