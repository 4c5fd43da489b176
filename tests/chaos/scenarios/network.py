"""The way to the server, through a proxy: late, cut, silent."""

from __future__ import annotations

import time

from tests.chaos.environment import LEASE_S, Stage
from tests.chaos.proxy import Proxy
from tests.chaos.scenario import PROCESS, REDIS, THREAD, Scale, scenario
from tests.chaos.scenarios.load import SKEW


def _proxy(stage: Stage) -> Proxy:
    proxy = stage.redis.proxy
    assert proxy is not None
    return proxy


@scenario("wire: cut after the request, before the reply", stores=(REDIS,), behind_proxy=True)
def lost_replies(stage: Stage, scale: Scale) -> None:
    """The worst moment for every kind of step, by chance: it was carried out, and its caller does not know."""
    proxy = _proxy(stage)
    stage.pool()
    stage.work(5)
    stage.until_begun(1)
    proxy.lose_reply, proxy.half_reply = 0.05, 0.05
    for _ in stage.ticks(scale.seconds, 0.2):
        stage.mixed(4)
        stage.work(4, 5)
    proxy.heal()
    stage.hit(proxy.faults)
    stage.settle(60)


@scenario(
    "wire: requests dropped, everything late", stores=(REDIS,), short=((REDIS, THREAD),), behind_proxy=True
)
def drop_and_delay(stage: Stage, scale: Scale) -> None:
    """Every piece takes 30 ms, and one in ten requests ends its connection."""
    proxy = _proxy(stage)
    stage.pool()
    stage.work(1)
    stage.until_begun(1)
    proxy.delay, proxy.drop_request = 0.03, 0.1
    for _ in stage.ticks(scale.seconds, 0.5):
        stage.mixed(2)
        stage.work(2, 5)
    proxy.heal()
    stage.hit(proxy.faults)
    stage.settle(60)


@scenario(
    "wire: half-open for longer than the lease", stores=(REDIS,), short=((REDIS, PROCESS),), behind_proxy=True
)
def half_open(stage: Stage, scale: Scale) -> None:
    """One pool is cut off without knowing; another, on a way of its own, takes over; the first comes back."""
    proxy = _proxy(stage)
    stage.pool()
    stage.work(4, 600)
    stage.until_begun(3)
    other = Proxy(stage.redis.server.port)
    try:
        mine, stage.redis.proxy = proxy, other
        stage.pool()
        stage.redis.proxy = mine
        for _ in stage.ticks(max(scale.seconds - 3, 0.1), 3 * LEASE_S):
            proxy.silent = True
            time.sleep(2.2 * LEASE_S)
            proxy.heal()
            stage.hit()
            stage.work(10, 100)
        stage.settle(60)
    finally:
        stage.stop()
        other.close()


@scenario("wire: no connection for a while", stores=(REDIS,), pools=(PROCESS,), behind_proxy=True)
def refused(stage: Stage, scale: Scale) -> None:
    """All connections are cut, and new ones refused."""
    proxy = _proxy(stage)
    stage.pool()
    stage.work(20, 50)
    stage.until_begun(2)
    for _ in stage.ticks(scale.seconds, LEASE_S):
        proxy.closed = True
        proxy.cut_all()
        stage.hit()
        time.sleep(0.6 * LEASE_S)
        proxy.heal()
        stage.work(10, 20)
    stage.settle(60)


@scenario("hosts: one cut off, one far away, one in another time", stores=(REDIS,), short=(), hosts=2)
def hosts(stage: Stage, scale: Scale) -> None:
    """Packets of one pool are lost for longer than its lease, those of another are late, the third's clock is wrong.

    Only root can play it, so it is in the long form alone.
    """
    far = Proxy(stage.redis.server.port)
    try:
        far.delay = 0.05  # each way
        lease = 2 * LEASE_S
        cut_off, wrong = stage.hosts
        stage.pool(lease=lease, host=cut_off)
        skewed = {"PYTHONPATH": str(SKEW), "ALSEK_CHAOS_SKEW": "300"}
        stage.pool(lease=lease, host=wrong, env=skewed)
        stage.redis.proxy = far
        stage.pool(lease=lease)
        stage.redis.proxy = None
        stage.work(40, 300)
        stage.until_begun(20)
        for _ in stage.ticks(scale.seconds, 5 * lease):
            stage.mixed(10)
            stage.work(30, 100)
            cut_off.unplug()
            stage.hit()
            time.sleep(2.3 * lease)
            cut_off.plug()
        stage.settle(90)
    finally:
        stage.stop()
        far.close()
