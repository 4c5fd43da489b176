"""The server goes, and comes back."""

from __future__ import annotations

import contextlib
import re
import time

from tests.chaos.environment import LEASE_S, Stage
from tests.chaos.scenario import PROCESS, REDIS, THREAD, Scale, scenario
from tests.chaos.verification import Verdict

_WARNING = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")


def _told_in_ten_lines(stage: Stage, _: Verdict) -> list[str]:
    told = [line for line in stage.pools[0].log.splitlines() if _WARNING.search(line)]
    return [] if len(told) < 10 else [f"the log tells of the restart in {len(told)} lines"]


@scenario("Redis: SHUTDOWN NOSAVE and restart, AOF", stores=(REDIS,), judged=_told_in_ten_lines)
def restart(stage: Stage, scale: Scale) -> None:
    """A thousand tasks of 20 ms, and the server restarts under them: all done, no manual step."""
    stage.pool("--n_processes", "1", n=scale.pick(4, 8), lease=15.0)
    stage.work(scale.pick(300, 1_000), 20)
    stage.until_begun(20)
    stage.redis.shutdown()
    time.sleep(0.5)
    stage.redis.server.start()
    stage.hit()
    stage.settle(90)


@scenario("Redis: killed like by a power cut, again and again", stores=(REDIS,), short=((REDIS, PROCESS),))
def power_cut(stage: Stage, scale: Scale) -> None:
    """SIGKILL to the server in mid-work; what it had answered is in its file."""
    stage.pool(lease=15.0)
    for tick in stage.ticks(scale.seconds, 1.5):
        stage.mixed(scale.pick(15, 40))
        stage.work(scale.pick(15, 40))
        stage.redis.server.kill()
        stage.redis.server.start()
        stage.hit()
        stage.until_begun(tick + 1)
    stage.settle(60)


@scenario("Redis: away for longer than the lease", stores=(REDIS,), short=((REDIS, THREAD),))
def away(stage: Stage, scale: Scale) -> None:
    """What ran meanwhile is delivered afterwards; two pools, none takes over from the other before both could renew."""
    stage.pool()
    stage.pool()
    stage.work(12, 600)
    stage.until_begun(4)
    stage.redis.shutdown()
    time.sleep(scale.pick(2.5 * LEASE_S, 20.0))
    stage.redis.server.start()
    stage.hit()
    stage.settle(60)


@scenario("Redis: SCRIPT FLUSH and CLIENT KILL", stores=(REDIS,), short=((REDIS, THREAD),))
def flush_and_kill(stage: Stage, scale: Scale) -> None:
    """Scripts forgotten and connections ended by the server, all the time."""
    stage.pool()
    with contextlib.closing(stage.redis.client()) as client:
        for tick in stage.ticks(scale.seconds, 0.1):
            stage.mixed(2)
            stage.work(3, 5)
            if tick % 2:
                client.script_flush()
            else:
                client.client_kill_filter(_type="normal", skipme=True)
            stage.hit()
    stage.settle(60)


@scenario("Redis: hangs (SIGSTOP) beyond the lease", stores=(REDIS,), short=((REDIS, PROCESS),))
def hang(stage: Stage, scale: Scale) -> None:
    """Connections stay, answers don't come."""
    stage.pool()
    stage.work(12, 400)
    stage.until_begun(2)
    stage.redis.server.pause()
    time.sleep(scale.pick(2 * LEASE_S, max(scale.seconds, 4 * LEASE_S)))
    stage.redis.server.resume()
    stage.hit()
    stage.work(10, 20)
    stage.settle(60)


@scenario("Redis: failover to a replica", stores=(REDIS,), short=((REDIS, PROCESS),), behind_proxy=True)
def failover(stage: Stage, scale: Scale) -> None:
    """An orderly one, after which the old primary refuses writes for a while before the way leads to the new one."""
    proxy = stage.redis.proxy
    assert proxy is not None
    replica = stage.redis.add_replica()
    stage.pool()
    stage.chains(scale.pick(20, 100), 100)
    stage.until_begun(8)
    stage.redis.fail_over(replica)
    time.sleep(scale.pick(0.5, 2.0))
    proxy.lead_to(replica.port)
    stage.hit()
    stage.chains(10)
    stage.settle(60)
