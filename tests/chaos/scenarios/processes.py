"""Processes that die, and processes that only seem to."""

from __future__ import annotations

import signal
import time

from tests.chaos import execution_log as journal
from tests.chaos.environment import LEASE_S, Pool, Stage
from tests.chaos.process_tree import send
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.timing_factor import stretched
from tests.chaos.verification import Verdict

_ONE_EACH = ((SQLITE, THREAD), (REDIS, PROCESS))


@scenario("random SIGKILL of children")
def kill_children(stage: Stage, scale: Scale) -> None:
    """Any process below a supervisor dies, again and again."""
    stage.pool()
    stage.work(1)
    stage.until_begun(1)
    for _ in stage.ticks(scale.seconds, 0.5):
        stage.work(scale.pick(12, 25), 40)
        stage.mixed(2)
        victims = stage.pools[0].tree()[1:]
        if victims and send(stage.random.choice(victims)):
            stage.hit()
    stage.settle(scale.pick(30, 60))


@scenario("random SIGKILL of processes that serve many", pools=(PROCESS,), short=((REDIS, PROCESS),))
def kill_reused(stage: Stage, scale: Scale) -> None:
    """Each process serves five messages; some die over the last, some between two."""
    stage.pool("--tasks_per_process", "5")
    stage.work(1)
    stage.until_begun(1)
    for _ in stage.ticks(scale.seconds, 0.4):
        stage.work(scale.pick(20, 40), 10)
        stage.mixed(2)
        victims = stage.pools[0].tree()[1:]
        if victims and send(stage.random.choice(victims)):
            stage.hit()
    stage.settle(scale.pick(30, 60))


@scenario(
    "random SIGKILL of processes that hold several",
    pools=(PROCESS,),
    short=((REDIS, PROCESS), (SQLITE, PROCESS)),
)
def kill_several(stage: Stage, scale: Scale) -> None:
    """Tasks are so short that each process is given several ahead, but for some behind which none must wait."""
    stage.pool("--tasks_per_process", "1000")
    stage.work(1)
    stage.until_begun(1)
    for _ in stage.ticks(scale.seconds, 0.4):
        stage.work(scale.pick(150, 400), 0)
        stage.work(2, 200)
        stage.mixed(2)
        victims = stage.pools[0].tree()[1:]
        if victims and send(stage.random.choice(victims)):
            stage.hit()
    stage.settle(scale.pick(30, 60))


def _never_again(stage: Stage, verdict: Verdict) -> list[str]:
    return [f"{verdict.again} messages were run again"] if verdict.again else []


@scenario("rolling restarts: SIGTERM, and another pool", judged=_never_again, short=_ONE_EACH)
def rolling(stage: Stage, scale: Scale) -> None:
    """Tasks that end within the time for shutdown are never run again by a deploy."""
    stage.pool()
    for _ in stage.ticks(scale.seconds, 1.0):
        stage.work(scale.pick(15, 30), 100)
        stage.chains(scale.pick(5, 10), 100)
        old = stage.pools[-1]
        stage.pool()
        _ready(stage.pools[-1])
        old.process.send_signal(signal.SIGTERM)
        stage.hit()
    stage.settle(scale.pick(30, 60))


@scenario(
    "rolling restarts of processes that hold several",
    judged=_never_again,
    pools=(PROCESS,),
    short=((REDIS, PROCESS),),
)
def rolling_several(stage: Stage, scale: Scale) -> None:
    """What a process was given ahead and has not begun is given back by a deploy, and run once."""
    stage.pool("--tasks_per_process", "1000")
    for _ in stage.ticks(scale.seconds, 1.0):
        stage.work(scale.pick(150, 400), 0)
        stage.work(4, 200)
        old = stage.pools[-1]
        stage.pool("--tasks_per_process", "1000")
        _ready(stage.pools[-1])
        stage.work(scale.pick(150, 400), 0)
        old.process.send_signal(signal.SIGTERM)
        stage.hit()
    stage.settle(scale.pick(30, 60))


@scenario("SIGKILL of supervisors", short=((SQLITE, PROCESS), (REDIS, THREAD)))
def kill_supervisors(stage: Stage, scale: Scale) -> None:
    """The supervisor dies, and a new pool is started, as an init system does."""
    stage.pool()
    for tick in stage.ticks(scale.seconds, 1.5):
        stage.work(scale.pick(20, 40), 40)
        stage.until_begun(1 + tick)
        if send(stage.pools[-1].process.pid):
            stage.hit()
            stage.pools[-1].process.wait(60)
        stage.pool()
    stage.settle(scale.pick(30, 60))


def _taken_over_in_time(stage: Stage, _: Verdict) -> list[str]:
    if stage.recovery is None or stage.recovery > stage.lease + stretched(2.0):
        return [
            f"16 messages of a dead pool were with another after {stage.recovery} s; lease {stage.lease} s"
        ]
    return []


@scenario("SIGKILL of a whole pool that holds 16", judged=_taken_over_in_time)
def kill_pool(stage: Stage, scale: Scale) -> None:
    """A machine goes: another pool has all of its messages within the lease and two seconds."""
    n = 8 if stage.pool_kind == THREAD else 16
    stage.lease = scale.pick(LEASE_S, 5.0)
    first = stage.pool(n=n)
    stage.hold(16)
    stage.until_begun(16)
    second = stage.pool(n=n)
    _ready(second)
    killed = time.monotonic()
    first.kill_all()
    stage.hit()
    stage.until_begun(32, stage.lease + 10)
    begun = journal.runs(stage.lines(), "begun")
    stage.recovery = max(lines[-1].at for lines in begun.values()) - killed
    stage.release()
    stage.settle(30)


def _ready(pool: Pool, within: float = 10.0) -> None:
    """Wait until a pool has started a group and had time to register."""
    deadline = time.monotonic() + stretched(within)
    while "Started group" not in pool.log and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)


@scenario("SIGSTOP beyond the lease, then SIGCONT", short=_ONE_EACH)
def stop_and_continue(stage: Stage, scale: Scale) -> None:
    """A pool sleeps through its lease with messages in hand; what it says afterwards is refused."""
    first = stage.pool()
    stage.work(4, 700)
    stage.until_begun(4)
    for _ in stage.ticks(max(scale.seconds - 2 * LEASE_S - 1, 0.1), 3 * LEASE_S):
        pids = first.tree()
        for pid in pids:
            send(pid, signal.SIGSTOP)
        stage.hit()
        if len(stage.pools) == 1:
            stage.pool()
        time.sleep(2.2 * LEASE_S)
        for pid in pids:
            send(pid, signal.SIGCONT)
        stage.work(scale.pick(6, 20), 300)
        time.sleep(0.3)
    stage.settle(30)


@scenario("SIGSTOP of a child below a living supervisor", short=((SQLITE, PROCESS), (REDIS, THREAD)))
def stop_child(stage: Stage, scale: Scale) -> None:
    """While the supervisor renews, a process that stands still loses nothing, and nobody else runs what it holds."""
    stage.pool()
    stage.work(8, 150)
    stage.until_begun(2)
    children = stage.pools[0].tree()[1:]
    for pid in children:
        send(pid, signal.SIGSTOP)
    stage.pool()
    time.sleep(2 * LEASE_S)
    for pid in children:
        send(pid, signal.SIGCONT)
    stage.hit()
    stage.settle(30)


@scenario(
    "SIGSTOP of an idle child below a living supervisor",
    stores=(REDIS,),
    pools=(PROCESS,),
    short=((REDIS, PROCESS),),
)
def stop_idle_child(stage: Stage, scale: Scale) -> None:
    """What a process is pushed that stands still goes to others, although its supervisor renews the lease."""
    stage.pool()
    _ready(stage.pools[0])
    stage.work(2)
    stage.settle(30)
    children = stage.pools[0].tree()[1:]
    for pid in children:
        send(pid, signal.SIGSTOP)
    for _ in range(4):
        stage.work(1)
    stage.pool()
    stage.settle(40)
    for pid in children:
        send(pid, signal.SIGCONT)
    stage.hit()


@scenario("SIGSTOP of a supervisor alone", short=((SQLITE, THREAD), (REDIS, PROCESS)))
def stop_supervisor(stage: Stage, scale: Scale) -> None:
    """Nobody renews for a pool that works on: it may lose its lease, and then nothing that it says is taken."""
    first = stage.pool()
    stage.work(8, 400)
    stage.until_begun(4)
    stage.pool()
    for _ in stage.ticks(max(scale.seconds - 2, 0.1), 3 * LEASE_S):
        send(first.process.pid, signal.SIGSTOP)
        stage.hit()
        stage.work(scale.pick(12, 30), 400)
        time.sleep(2 * LEASE_S)
        send(first.process.pid, signal.SIGCONT)
    stage.settle(30)


@scenario("a task that holds the GIL beyond the lease", pools=(THREAD,), judged=_never_again)
def hog(stage: Stage, scale: Scale) -> None:
    """The supervisor renews whatever a task does; another pool waits in vain."""
    a_minute = scale.seconds >= 15
    stage.lease = 10.0 if a_minute else LEASE_S
    ms = 60_000 if a_minute else int(scale.pick(3, 5) * LEASE_S * 1000)
    stage.pool("--n_threads", "2")
    stage.submit(stage.play.hog.generate(args=(ms,), timeout_override=ms + 30_000, submit=False))
    stage.until_begun(1)
    stage.pool("--n_threads", "2")
    stage.work(4, 10)
    stage.hit()
    stage.settle(ms / 1000 + 30)


@scenario("many pills that kill their process", short=((SQLITE, THREAD), (REDIS, THREAD), (SQLITE, PROCESS)))
def pills(stage: Stage, scale: Scale) -> None:
    """Each pill ends among the dead letters; all that runs beside them succeeds."""
    n = scale.pick(3, 12)
    stage.pool()
    for _ in range(n):
        stage.submit(stage.play.pill.generate(submit=False), mortal=True)
        stage.work(scale.pick(8, 20), 30)
    stage.hit(n)
    stage.settle(scale.pick(60, 120))


@scenario("chains of parent and callback, a random process killed every second", short=_ONE_EACH)
def chains(stage: Stage, scale: Scale) -> None:
    """Supervisors too. Every callback runs, from the one accepted run of its parent."""
    wanted = scale.pick(40, 300)
    stage.keep_alive(pools=2)
    stage.chains(4, 150)
    stage.until_begun(1)
    interval = 1.0 if scale.long else 0.6
    seconds = max(scale.seconds, 15.0) if scale.long else scale.seconds
    ticks = int(seconds / interval)
    for _ in stage.ticks(seconds, interval):
        stage.chains(min(wanted - len(stage.callbacks), -(-wanted // ticks)), 150)
        stage.keep_alive(pools=2)
        time.sleep(stage.random.uniform(0.0, 0.5 * interval))
        victims = stage.victims()
        if victims and send(stage.random.choice(victims)):
            stage.hit()
    stage.chains(wanted - len(stage.callbacks), 150)
    stage.settle(scale.pick(40, 90), pools=2)
