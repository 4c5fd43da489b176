"""Who takes part: what is installed, how its workers are started, and with which settings.

Settings are those that the peer's own documentation recommends for many short tasks, and the most reliable ones that
it has. Versions are pinned, so that two runs compare.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: How workers are laid out: ``threads`` is one worker with eight at once; ``two`` two processes of these;
#: ``per_task`` a process for each task, two at once; ``reused`` two processes that serve many; ``coroutines`` one
#: process that runs a hundred ``async def`` tasks at once; ``queues`` one worker of many queues, with eight at once.
Commands = Mapping[str, Sequence[Sequence[str]]]

PROCESSES = 2
COROUTINES = 100
QUEUES = 1_000
_NAMES = [f"q{n}" for n in range(QUEUES)]


@dataclass(frozen=True)
class Contestant:
    """One library on one store.

    Attributes:
        name: As tables have it.
        adapter: Its module in ``adapters/``.
        requirements: What pip installs; empty for what runs in this environment.
        commands: For each layout the workers to start, each a command whose first word is one of the environment.
        settings: What was set, and where that is recommended.
        reliable: What happens to the messages of a worker that is killed.
        library: What is imported.
        help: The command that shows its help.
        bulk: It can submit many at once.
        delays: It can delay without a further process.
        store: Where its messages are.
        environ: Of producer and worker.
        stop: The signal that ends its worker in good order.
        slow: It is given so many times fewer messages to drain, so that all end in about the same time.
    """

    name: str
    adapter: str
    requirements: tuple[str, ...]
    commands: Commands
    settings: str
    reliable: str
    library: str
    help: tuple[str, ...]
    bulk: bool = False
    delays: bool = True
    store: str = "redis"
    environ: Mapping[str, str] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM
    slow: int = 1

    @property
    def ours(self) -> bool:
        """Whether this is Alsek."""
        return not self.requirements

    def share(self, messages: int) -> int:
        """How many of these messages it drains: a rate is the same of a few, and slow ones would take minutes."""
        return max(1, messages // self.slow)


def _alsek(*words: str) -> list[list[str]]:
    return [["alsek", *words[:1], "adapter_alsek", *words[1:], "--log_level=ERROR"]]


_ALSEK: Commands = {
    "threads": _alsek("thread-pool", "--n_threads=8", "--n_processes=1"),
    "queues": _alsek("thread-pool", "--n_threads=8", "--n_processes=1"),
    "two": _alsek("thread-pool", "--n_threads=8", f"--n_processes={PROCESSES}"),
    "coroutines": _alsek("thread-pool", f"--n_coroutines={COROUTINES}", "--n_processes=1"),
    "per_task": _alsek("process-pool", f"--n_processes={PROCESSES}"),
    "reused": _alsek("process-pool", f"--n_processes={PROCESSES}", "--tasks_per_process=1000"),
}


def _huey(kind: str, workers: int) -> list[str]:
    return ["huey_consumer", "adapter_huey.huey", "-k", kind, "-w", str(workers), "-q", "-g", "TERM"]


_HUEY: Commands = {
    "threads": [_huey("thread", 8)],
    "two": [_huey("thread", 8)] * PROCESSES,
    "reused": [_huey("process", PROCESSES)],
}


def _dramatiq(processes: int, threads: int) -> list[list[str]]:
    return [["dramatiq", "adapter_dramatiq", "-p", str(processes), "-t", str(threads)]]


def _taskiq(processes: int, at_once: int = 8) -> list[list[str]]:
    options = ["--workers", str(processes), "--max-async-tasks", str(at_once), "--log-level", "ERROR"]
    return [["taskiq", "worker", "adapter_taskiq:broker", *options]]


def _celery(pool: str, workers: int, node: int = 1) -> list[str]:
    calm = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
    return [
        "celery",
        "-A",
        "adapter_celery",
        "worker",
        "-P",
        pool,
        "-c",
        str(workers),
        *calm,
        "-n",
        f"bench{node}@localhost",
    ]


def _rq(command: str, *options: str) -> list[str]:
    return ["rq", command, "-q", "-u", "{store}", *options, "default"]


_SIMPLE = ("-w", "rq.worker.SimpleWorker")

CONTESTANTS: tuple[Contestant, ...] = (
    Contestant(
        "Alsek",
        "adapter_alsek",
        (),
        _ALSEK,
        "none; with results: `ResultStore` and `StatusTracker` on the same backend",
        "run again: leases, claim tokens, atomic completion",
        "alsek",
        ("alsek", "--help"),
        bulk=True,
    ),
    Contestant(
        "TaskIQ",
        "adapter_taskiq",
        ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis[hiredis]", "uvloop"),
        {"threads": _taskiq(1), "two": _taskiq(PROCESSES), "coroutines": _taskiq(1, COROUTINES)},
        "`RedisStreamBroker` (its README: the one with acknowledgement), uvloop, async tasks, `--max-async-tasks 8`, "
        "`xread_count` 100 (default), acknowledged when saved (default); results awaited with `check_interval=0.001`",
        "run again after `idle_timeout`",
        "taskiq",
        ("taskiq", "worker", "--help"),
        delays=False,
    ),
    Contestant(
        "Dramatiq",
        "adapter_dramatiq",
        ("dramatiq[redis]==2.2.1", "redis[hiredis]"),
        {
            "threads": _dramatiq(1, 8),
            "queues": _dramatiq(1, 8),
            "two": _dramatiq(PROCESSES, 8),
            "reused": _dramatiq(PROCESSES, 1),
        },
        "`dramatiq_queue_prefetch=200` (reference, environment variables)",
        "run again after `heartbeat_timeout`",
        "dramatiq",
        ("dramatiq", "--help"),
        environ={"dramatiq_queue_prefetch": "200"},
    ),
    Contestant(
        "Huey",
        "adapter_huey",
        ("huey==3.5.4", "redis[hiredis]"),
        _HUEY,
        "`RedisHuey` with blocking reads (default), `notify_result=True` with results (API reference)",
        "**lost**: it has no acknowledgement",
        "huey",
        ("huey_consumer", "--help"),
    ),
    Contestant(
        "SAQ",
        "adapter_saq",
        ("saq[redis,hiredis]==0.26.4", "typing-extensions"),
        {
            "threads": [["saq", "adapter_saq.settings", "--quiet"]],
            "coroutines": [["saq", "adapter_saq.settings", "--quiet"]],
            "two": [["saq", "adapter_saq.settings", "--quiet", "--workers", str(PROCESSES)]],
        },
        "`concurrency=8`, async functions; without results `ttl=-1` (`Job`'s reference); results awaited with "
        "`poll_interval=0.001`",
        "swept up and run again, if `retries` allow",
        "saq",
        ("saq", "--help"),
        slow=2,
    ),
    Contestant(
        "streaQ",
        "adapter_streaq",
        ("streaq==7.2.0",),
        {
            "threads": [["streaq", "run", "adapter_streaq:worker"]],
            "coroutines": [["streaq", "run", "adapter_streaq:worker"]],
            "two": [["streaq", "run", "adapter_streaq:worker", "--workers", str(PROCESSES)]],
        },
        "`concurrency=8`, `silent=True`, async tasks; without results `ttl=0`; `enqueue_many` in bulk",
        "run again after `idle_timeout`",
        "streaq",
        ("streaq", "--help"),
        bulk=True,
        slow=4,
    ),
    Contestant(
        "Celery",
        "adapter_celery",
        ("celery[redis]==5.7.0", "redis[hiredis]"),
        {
            "threads": [_celery("threads", 8)],
            "queues": [[*_celery("threads", 8), "-Q", ",".join(_NAMES)]],
            "two": [_celery("threads", 8, node) for node in range(1, PROCESSES + 1)],
            "reused": [_celery("prefork", PROCESSES)],
        },
        "`task_acks_late`, `worker_prefetch_multiplier=128` (user guide, Optimizing), no gossip, mingle or heartbeat",
        "run again after `visibility_timeout`",
        "celery",
        ("celery", "--help"),
        slow=4,
    ),
    Contestant(
        "ARQ",
        "adapter_arq",
        ("arq==0.28.0", "redis[hiredis]"),
        {
            "threads": [["arq", "adapter_arq.WorkerSettings"]],
            "coroutines": [["arq", "adapter_arq.WorkerSettings"]],
            "two": [["arq", "adapter_arq.WorkerSettings"]] * PROCESSES,
        },
        "`max_jobs=8`, `poll_delay=0.01` in place of 0.5 s, which would be all that is measured; without results "
        "`keep_result=0`; results awaited with `poll_delay=0.001`",
        'run again ("pessimistic execution")',
        "arq",
        ("arq", "--help"),
        slow=2,
    ),
    Contestant(
        "RQ",
        "adapter_rq",
        ("rq==3.0.0", "redis[hiredis]"),
        {
            "threads": [_rq("worker", *_SIMPLE, "--with-scheduler")],
            "queues": [[*_rq("worker", *_SIMPLE)[:-1], *_NAMES]],
            "two": [_rq("worker-pool", "-n", str(PROCESSES), *_SIMPLE)],
            "per_task": [_rq("worker-pool", "-n", str(PROCESSES))],
            "reused": [_rq("worker-pool", "-n", str(PROCESSES), *_SIMPLE)],
        },
        "one job at a time in each worker, it has no threads: `SimpleWorker` (docs, Notes on Performance), or the "
        "default `Worker`, which forks for each job; `enqueue_many` in bulk",
        "found by maintenance, marked as failed",
        "rq",
        ("rq", "--help"),
        bulk=True,
        slow=10,
    ),
    Contestant(
        "Alsek on SQLite",
        "adapter_alsek",
        (),
        _ALSEK,
        "none",
        "run again: leases, claim tokens, atomic completion",
        "alsek",
        ("alsek", "--help"),
        bulk=True,
        store="sqlite",
    ),
    Contestant(
        "Huey on SQLite",
        "adapter_huey",
        ("huey==3.5.4", "redis[hiredis]"),
        _HUEY,
        "`SqliteHuey`, WAL (default)",
        "**lost**: it has no acknowledgement",
        "huey",
        ("huey_consumer", "--help"),
        store="sqlite",
    ),
)


def environment_of(contestant: Contestant) -> str:
    """The name of its environment; two that need the same share one."""
    return contestant.library
