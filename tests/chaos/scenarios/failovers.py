"""Servers with replicas: a cluster, and what sentinels watch. One of them dies, hangs, or gives its messages away."""

from __future__ import annotations

import threading
import time

from tests.chaos.environment import Stage
from tests.chaos.replicated import PartitionedClusterStore
from tests.chaos.scenario import (
    CLUSTER,
    PARTITIONED_CLUSTER,
    PARTITIONED_SENTINEL,
    PROCESS,
    SENTINEL,
    THREAD,
    Scale,
    scenario,
)

_BOTH = (CLUSTER, SENTINEL)
_PARTITIONED = (PARTITIONED_CLUSTER, PARTITIONED_SENTINEL)


def _under_load(stage: Stage, scale: Scale) -> None:
    """A pool that is busy for longer than the fault takes to begin; a replica has heard of all messages."""
    stage.pool(lease=5.0)
    stage.mixed(scale.pick(10, 50))
    stage.work(scale.pick(100, 1_000), 20)
    stage.until_begun(20)
    stage.replicated.until_replicated()


def _go_on(stage: Stage, scale: Scale) -> None:
    stage.mixed(4)
    stage.work(scale.pick(20, 200))
    stage.settle(60)


@scenario("replicas: the master dies", stores=_BOTH, short=((CLUSTER, THREAD), (SENTINEL, PROCESS)))
def master_dies(stage: Stage, scale: Scale) -> None:
    """SIGKILL; a replica is promoted, and all go on there by themselves."""
    _under_load(stage, scale)
    stage.replicated.master.kill()
    stage.hit()
    stage.time_to_resume()
    _go_on(stage, scale)


@scenario("replicas: the master hangs", stores=_BOTH, short=((CLUSTER, PROCESS), (SENTINEL, THREAD)))
def master_hangs(stage: Stage, scale: Scale) -> None:
    """SIGSTOP until a replica is promoted, and then SIGCONT: what it has in its ears still is not carried out twice."""
    _under_load(stage, scale)
    store = stage.replicated
    old = store.master
    old.pause()
    stage.hit()
    store.until_another_is_master(old)
    stage.time_to_resume()
    old.resume()
    store.until_a_replica(old)
    _go_on(stage, scale)


@scenario("replicas: one that lags is promoted", stores=_BOTH, short=((CLUSTER, THREAD), (SENTINEL, THREAD)))
def a_replica_lags(stage: Stage, scale: Scale) -> None:
    """What was done meanwhile is undone with the master's death: it is run again, and accepted once."""
    _under_load(stage, scale)
    store = stage.replicated
    stage.work(scale.pick(150, 1_000), 250)
    store.until_replicated()
    old, others = store.master, store.cut_off()
    stage.until_begun(sum(line.what == "begun" for line in stage.lines()) + 20)
    old.kill()
    for server in others:
        server.resume()
    stage.hit()
    stage.time_to_resume()
    _go_on(stage, scale)


@scenario("replicas: one is lost", stores=_BOTH, short=((CLUSTER, THREAD),))
def a_replica_dies(stage: Stage, scale: Scale) -> None:
    """Nobody notices."""
    _under_load(stage, scale)
    lost = stage.replicated.replicas()[0]
    lost.kill()
    stage.hit()
    stage.time_to_resume()
    stage.work(20)
    lost.start()
    stage.replicated.until_a_replica(lost)
    _go_on(stage, scale)


@scenario("cluster: the slot moves to another node", stores=(CLUSTER,), short=((CLUSTER, THREAD),))
def slot_moves(stage: Stage, scale: Scale) -> None:
    """Key by key, while producers and workers go on asking (ASK, TRYAGAIN, MOVED)."""
    _under_load(stage, scale)
    move = stage.cluster.begin_move()
    producer = threading.Thread(target=stage.mixed, args=(10,))
    producer.start()
    for _ in range(scale.pick(15, 100)):
        move.carry(2)
        time.sleep(0.05)
    move.finish()
    stage.hit()
    producer.join()
    stage.time_to_resume()
    _go_on(stage, scale)


@scenario(
    "partitions: the master of some dies",
    stores=_PARTITIONED,
    short=((PARTITIONED_CLUSTER, THREAD), (PARTITIONED_SENTINEL, PROCESS)),
)
def master_of_partitions_dies(stage: Stage, scale: Scale) -> None:
    """On a cluster the other partitions are on other masters; all go on once a replica was promoted."""
    master_dies(stage, scale)


@scenario(
    "partitions: the master of some hangs",
    stores=_PARTITIONED,
    short=((PARTITIONED_CLUSTER, PROCESS), (PARTITIONED_SENTINEL, THREAD)),
)
def master_of_partitions_hangs(stage: Stage, scale: Scale) -> None:
    """It comes back after the failover: what it has in its ears still is not carried out twice."""
    master_hangs(stage, scale)


@scenario(
    "partitions: the slot of one moves to another node",
    stores=(PARTITIONED_CLUSTER,),
    short=((PARTITIONED_CLUSTER, THREAD), (PARTITIONED_CLUSTER, PROCESS)),
)
def slot_of_a_partition_moves(stage: Stage, scale: Scale) -> None:
    """Key by key, under load; the slots of the other partitions stay where they are."""
    slot_moves(stage, scale)


@scenario(
    "partitions: the master of some hangs beyond the lease, without a replica",
    stores=(PARTITIONED_CLUSTER,),
    short=((PARTITIONED_CLUSTER, THREAD), (PARTITIONED_CLUSTER, PROCESS)),
)
def partitions_hang(stage: Stage, scale: Scale) -> None:
    """Nobody takes its place. Messages of the other masters end meanwhile, those that ran and those that come.

    When it is back, all goes on, also what was in its ears. What is measured is the longest time in which nothing of
    the others began though it waited.
    """
    stage.cluster.let_partitions_be_away()
    _under_load(stage, scale)
    old, store = stage.replicated.master, stage.replicated
    assert isinstance(store, PartitionedClusterStore)
    there = store.partitions_beside(old)
    for server in store.replicas():
        server.kill()
    waiting = stage.work_in(there, scale.pick(60, 200))
    old.pause()
    stage.hit()
    stage.until_ended(waiting)
    stage.longest_pause(there)
    for _ in stage.ticks(8.0, 1.0):  # the lease is 5 s
        stage.until_ended(stage.work_in(there, scale.pick(3, 30)))
    old.resume()
    _go_on(stage, scale)
