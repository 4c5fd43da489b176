"""Processes that die while they hold messages of several partitions."""

from __future__ import annotations

from tests.chaos.environment import Stage
from tests.chaos.process_tree import send
from tests.chaos.scenario import PARTITIONS, PROCESS, THREAD, Scale, scenario
from tests.chaos.stores import StoreKind

_SHORT: tuple[tuple[StoreKind, str], ...] = ((PARTITIONS, THREAD),)


@scenario("partitions: random SIGKILL of children and pools", stores=(PARTITIONS,), short=_SHORT)
def kill(stage: Stage, scale: Scale) -> None:
    """Any process dies, supervisors included, again and again; another pool is started for one that has gone."""
    stage.pool()
    for tick in stage.ticks(scale.seconds, 0.5):
        stage.chains(scale.pick(4, 8), 20)
        stage.mixed(2)
        stage.work(scale.pick(15, 25), 60)
        stage.until_begun(1 + 8 * tick)
        tree = stage.pools[-1].tree()
        whole = tick % 6 == 5
        victims = tree if whole else [stage.random.choice(tree)]
        if sum(map(send, victims)):
            stage.hit()
        if tree[0] in victims:
            stage.pools[-1].process.wait(60)
            stage.pool()
    stage.settle(scale.pick(30, 60))


@scenario(
    "partitions: replies that are lost",
    stores=(PARTITIONS,),
    pools=(THREAD, PROCESS),
    short=_SHORT,
    behind_proxy=True,
)
def lose_replies(stage: Stage, scale: Scale) -> None:
    """One reply in ten is lost, or half of it: rounds are left half answered."""
    stage.pool()
    proxy = stage.redis.proxy
    assert proxy is not None
    proxy.lose_reply, proxy.half_reply = 0.05, 0.05
    for _ in stage.ticks(scale.seconds, 0.4):
        stage.work(scale.pick(25, 50), 10)
        stage.chains(scale.pick(4, 8), 10)
    proxy.heal()
    stage.hit(proxy.faults)
    stage.settle(scale.pick(30, 60))
