"""Where a scenario takes place: a store, pools started by the command, a producer, and all that must be cleaned up."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from alsek import Group, Message
from alsek.core.identifiers import new_uuid
from alsek.exceptions import BackendError, MessageAlreadyExistsError
from alsek.storage.backends.locations import LOCATIONS, at_location
from tests.chaos import execution_log as journal
from tests.chaos import process_tree as processes
from tests.chaos.hosts import Host
from tests.chaos.replicated import (
    ClusterStore,
    PartitionedClusterStore,
    PartitionedSentinelStore,
    ReplicatedStore,
    SentinelStore,
)
from tests.chaos.small_disk import Disk
from tests.chaos.stores import (
    PARTITIONS,
    PartitionedStore,
    RedisStore,
    SQLiteStore,
    Store,
    StoreKind,
    open_backend,
    temporary_folder,
)
from tests.chaos.tasks import QUEUE, RELEASED, Troupe, troupe
from tests.chaos.timing_factor import stretched
from tests.chaos.verification import Verdict, judge

_ROOT = Path(__file__).parents[2]

#: The lease of all pools here, in seconds; short, so that a takeover is; so long that it does not end because the
#: processes that renew it wait for a processor.
LEASE_S = 3.0

#: A pool must have ended so long (s) after its `shutdown_timeout`.
_STOP_WITHIN_S = 2.0
_SHUTDOWN_TIMEOUT_S = 3.0


class Pool:
    """A pool started by the command, with its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether its supervisor runs."""
        return self.process.poll() is None

    def tree(self) -> list[int]:
        """The supervisor and all below it."""
        return processes.tree(self.process.pid) if self.alive else []

    def kill_all(self) -> None:
        """SIGKILL to the whole pool, at once."""
        pids = self.tree()
        for pid in pids:
            processes.send(pid, signal.SIGSTOP)  # so that none notices the others' end
        for pid in pids:
            processes.send(pid)
        self.process.wait(60)


class Stage:
    """One scenario's.

    Args:
        kind: Of store.
        pool_kind: ``thread-pool`` or ``process-pool``.
        seed: Of all chance.
        behind_proxy: Redis: the workers' and the producer's way leads through a proxy.
        small_disk: SQLite: the file is on a disk of its own, that can be full.
        hosts: Redis: so many hosts, from which the server can be reached.
    """

    def __init__(
        self,
        kind: StoreKind,
        pool_kind: str = "thread-pool",
        seed: int = 0,
        *,
        behind_proxy: bool = False,
        small_disk: bool = False,
        hosts: int = 0,
    ) -> None:
        self.folder = temporary_folder()
        self.random = random.Random(seed)
        self.pool_kind = pool_kind
        self.disk = Disk(self.folder / "disk") if small_disk else None
        self.hosts: list[Host] = []
        self.store: Store
        match kind:
            case "sqlite":
                self.store = SQLiteStore(self.disk.folder if self.disk is not None else self.folder)
            case "redis":
                self.hosts += map(Host, range(1, hosts + 1))
                addresses = [host.address for host in self.hosts]
                self.store = RedisStore(behind_proxy=behind_proxy, seed=seed, addresses=addresses)
            case "partitions":
                self.store = PartitionedStore(behind_proxy=behind_proxy, seed=seed)
            case "cluster":
                self.store = ClusterStore()
            case "sentinel":
                self.store = SentinelStore()
            case "partitions on a cluster":
                self.store = PartitionedClusterStore()
            case "partitions and sentinels":
                self.store = PartitionedSentinelStore()
        self.journal = self.folder / "journal"
        self.pools: list[Pool] = []
        self.problems: list[str] = []
        self.submitted: dict[str, float] = {}
        self.callbacks: dict[str, str] = {}
        self.mortal: set[str] = set()
        self.restless: set[str] = set()
        self.dropped: set[str] = set()
        self.groups: list[Group] = []
        self.follows: dict[str, Message | Group] = {}
        self.killed: dict[int, float] = {}
        self.lease = LEASE_S
        self.faults = 0
        self.producer_errors = 0
        self.last_fault = time.monotonic()
        self.recovery: float | None = None
        self.note = ""
        self.play: Troupe = troupe(open_backend(self.store.settings), str(self.journal))

    @property
    def redis(self) -> RedisStore:
        """The store, which is Redis."""
        assert isinstance(self.store, RedisStore)
        return self.store

    @property
    def replicated(self) -> ReplicatedStore:
        """The store, which has replicas."""
        assert isinstance(self.store, ReplicatedStore)
        return self.store

    @property
    def cluster(self) -> ClusterStore:
        """The store, which is a cluster."""
        assert isinstance(self.store, ClusterStore)
        return self.store

    @property
    def sqlite(self) -> SQLiteStore:
        """The store, which is SQLite."""
        assert isinstance(self.store, SQLiteStore)
        return self.store

    def pool(
        self,
        *options: str,
        kind: str | None = None,
        n: int = 4,
        lease: float | None = None,
        faults: Iterable[str] = (),
        env: dict[str, str] | None = None,
        host: Host | None = None,
    ) -> Pool:
        """Start a pool that runs up to `n` tasks (a thread pool: in up to two groups each, and as many coroutines).

        Args:
            options: Further ones of the command.
            kind: Of pool, in place of the stage's.
            n: How many tasks at once.
            lease: In seconds, in place of the usual one.
            faults: Where it is to be struck.
            env: Further variables.
            host: Where it runs, if not here.
        """
        kind = kind or self.pool_kind
        settings = {
            **self.store.settings,
            "journal": str(self.journal),
            "folder": str(self.folder),
            "faults": list(faults),
        }
        if host is not None:
            settings["url"] = f"redis://{host.address}:{self.redis.server.port}/0"
        log = self.folder / f"pool-{len(self.pools)}.log"
        size = (
            ["--n_threads", str(n), "--n_coroutines", str(n), "--n_processes", "2"]
            if kind == "thread-pool"
            else ["--n_processes", str(n)]
        )
        command = [*(host.command if host is not None else ()), sys.executable]
        command += ["-m", "alsek.cli", kind, "tests.chaos.app", *size]
        command += ["--lease", str(int((lease or self.lease) * 1000)), "--max_losses", "1000"]
        command += ["--shutdown_timeout", str(int(_SHUTDOWN_TIMEOUT_S * 1000)), *options]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {}), "ALSEK_CHAOS": json.dumps(settings)},
            )
        pool = Pool(process, log)
        self.pools.append(pool)
        return pool

    def keep_alive(self, *options: str, n: int = 4, faults: Iterable[str] = (), pools: int = 1) -> None:
        """Start a pool in the place of each that has died, as an init system would."""
        while sum(pool.alive for pool in self.pools) < pools:
            self.pool(*options, n=n, faults=faults)

    def victims(self) -> list[int]:
        """All processes of all pools."""
        return [pid for pool in self.pools for pid in pool.tree()]

    @property
    def log(self) -> str:
        """All that the pools have logged."""
        return "\n".join(pool.log for pool in self.pools)

    def submit(
        self, *messages: Message, patience: float = 60.0, mortal: bool = False, restless: bool = False
    ) -> None:
        """Submit each, again after each error, under the same uuid, until the store has it.

        Args:
            messages: What to submit.
            patience: How long (s) to go on trying.
            mortal: They are to end among the dead letters.
            restless: They run several times by their own doing.
        """
        for message in messages:
            self._submit(message, time.monotonic() + patience)
            self.expect(message.uuid, mortal=mortal, restless=restless)
            if message.callback_message_data is not None:
                self.callbacks[message.uuid] = message.callback_message_data["uuid"]

    def expect(
        self, uuid: str, *, mortal: bool = False, restless: bool = False, dropped: bool = False
    ) -> None:
        """Have the judge expect the end of a message that the store has taken.

        The arguments are those of :meth:`submit`. One that is `dropped` by its group may succeed or die.
        """
        self.submitted[uuid] = time.monotonic()
        if dropped:
            self.dropped.add(uuid)
        if mortal:
            self.mortal.add(uuid)
        if mortal or restless:
            self.restless.add(uuid)

    def _submit(self, message: Message, deadline: float) -> None:
        tried = False
        while True:
            try:
                self.play.broker.submit(message)
            except MessageAlreadyExistsError:
                assert tried, f"{message.uuid} was submitted once, and refused as known"
                return
            except BackendError:
                self.producer_errors += 1
                tried = True
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def submit_group(self, group: Group, patience: float = 60.0) -> None:
        """Submit a group, and after each error what is left of it, until the store has all. It is not judged yet."""
        deadline = time.monotonic() + stretched(patience)
        while True:
            try:
                group.submit()
            except BackendError:
                self.producer_errors += 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                self.groups.append(group)
                return

    def work(self, n: int, ms: int = 20) -> None:
        """Submit `n` messages whose tasks take `ms`. Every third is of an ``async def`` task."""
        play = self.play
        tasks = [play.work if number % 3 else play.wait for number in range(n)]
        self.submit(*(each.generate(args=(ms,), submit=False) for each in tasks))

    def hold(self, n: int) -> None:
        """Submit `n` messages that run until :meth:`release`."""
        self.submit(*(self.play.hold.generate(submit=False) for _ in range(n)))

    def release(self) -> None:
        """Let what is held end."""
        (self.folder / RELEASED).touch()

    def chains(self, n: int, ms: int = 10) -> None:
        """Submit `n` messages with a callback each."""
        for _ in range(n):
            callback = self.play.child.generate(submit=False)
            self.submit(self.play.parent.generate(args=(ms,), callback=callback, submit=False))

    def mixed(self, n: int) -> None:
        """Submit `n` chains, and as many that fail once, and half as many that fail for good."""
        self.chains(n)
        self.submit(*(self.play.flaky.generate(submit=False) for _ in range(n)), restless=True)
        self.submit(*(self.play.doomed.generate(submit=False) for _ in range(n // 2)), mortal=True)

    def hit(self, n: int = 1) -> None:
        """Count a fault; recovery is measured from the last one."""
        self.faults += n
        self.last_fault = time.monotonic()

    def kill_one(self, victims: Sequence[int]) -> None:
        """SIGKILL to one of these processes, by chance."""
        if victims:
            pid, at = self.random.choice(victims), time.monotonic()
            if processes.send(pid):
                self.killed.setdefault(pid, at)
                self.hit()

    def holders(self) -> list[int]:
        """The processes that have begun to run something, and not ended."""
        running: dict[str, int] = {}
        for line in self.lines():
            if line.what == "begun":
                running[line.run] = line.pid
            else:
                running.pop(line.run, None)
        return sorted({*running.values()} & {*self.victims()})

    def ticks(self, seconds: float, interval: float) -> Iterator[int]:
        """Numbers, one each `interval`, for so long."""
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            yield number
            number += 1
            time.sleep(max(0.0, begun + number * interval - time.monotonic()))

    def lines(self) -> list[journal.Line]:
        """The journal so far."""
        return journal.read(self.journal)

    def until_begun(self, n: int, within: float = 60.0) -> None:
        """Wait until so many runs have begun."""
        deadline = time.monotonic() + stretched(within)
        while sum(line.what == "begun" for line in self.lines()) < n:
            if time.monotonic() > deadline:
                raise AssertionError(f"{n} runs did not begin within {within} s:\n{self.log}")
            time.sleep(0.02)

    def work_in(self, partitions: Sequence[int], n: int, ms: int = 20) -> list[str]:
        """Submit `n` messages to each of these partitions, and return their uuids."""
        messages = [
            self.play.work.generate(args=(ms,), uuid=uuid_in(number), submit=False)
            for number in partitions
            for _ in range(n)
        ]
        self.submit(*messages)
        return [message.uuid for message in messages]

    def until_ended(self, uuids: Sequence[str], within: float = 15.0) -> None:
        """Wait until each of these messages has a result."""
        backend = open_backend(self.store.direct)
        deadline = time.monotonic() + stretched(within)
        try:
            while None in backend.results.get(uuids):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{len(uuids)} messages did not end within {within} s:\n{self.log}")
                time.sleep(0.02)
        finally:
            backend.close()

    def longest_pause(self, partitions: Sequence[int]) -> None:
        """Note the longest time, from the last fault until now, in which nothing of these partitions began."""
        begun = [
            line.at for line in self.lines() if line.what == "begun" and partition_of(line.uuid) in partitions
        ]
        times = [self.last_fault, *(at for at in sorted(begun) if at > self.last_fault)]
        self.recovery = max((later - at for at, later in itertools.pairwise(times)), default=0.0)

    def time_to_resume(self) -> None:
        """Submit a message, and note how long after the last fault the first run begins once the store has it."""
        message = self.play.work.generate(args=(20,), submit=False)
        self.submit(message)
        there = time.monotonic()  # it may have begun before this was noted
        while not (
            later := [
                line.at
                for line in self.lines()
                if line.what == "begun" and (line.at > there or line.uuid == message.uuid)
            ]
        ):
            if time.monotonic() > there + stretched(30.0):
                raise AssertionError(f"nothing is run again:\n{self.log}")
            time.sleep(0.02)
        self.recovery = min(later) - self.last_fault

    def settle(self, patience: float = 30.0, **keep: Any) -> None:
        """Wait until all that was submitted has ended, and all that follows from it; what has not is lost."""
        deadline = time.monotonic() + stretched(patience)
        backend = open_backend(self.store.direct)
        try:
            while time.monotonic() < deadline:
                if keep:
                    self.keep_alive(**keep)
                try:
                    if backend.messages.count(QUEUE) == 0:
                        break
                except BackendError:
                    pass
                time.sleep(0.05)
        finally:
            backend.close()
        if self.recovery is None and self.faults:
            after = [line.at for line in self.lines() if line.what == "ended" and line.at > self.last_fault]
            self.recovery = min(after) - self.last_fault if after else None

    def stop(self) -> None:
        """Stop all pools in good order: exit code 0, in time, and nobody left behind."""
        living = [pool for pool in self.pools if pool.alive]
        for pool in living:
            pool.process.send_signal(signal.SIGCONT)
            pool.process.terminate()
        begun = time.monotonic()
        for pool in living:
            try:
                code = pool.process.wait(stretched(15))
            except subprocess.TimeoutExpired:
                self.problems.append("a pool did not stop at all")
                continue
            took = time.monotonic() - begun
            # Before it has imported the tasks there is no handler yet, and nothing held.
            if code != 0 and not (code == -signal.SIGTERM and "Started group" not in pool.log):
                self.problems.append(f"a pool stopped with exit code {code}")
            if took > _SHUTDOWN_TIMEOUT_S + stretched(_STOP_WITHIN_S):
                self.problems.append(f"a pool took {took:.1f} s to stop")
        deadline = time.monotonic() + stretched(3.0)
        while (left := processes.marked(str(self.folder))) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            self.problems.append(f"{len(left)} processes outlived their pools")

    def verdict(self) -> Verdict:
        """What became of every message."""
        backend = open_backend(self.store.direct)
        try:
            return judge(
                backend,
                self.store.audit(),
                self.lines(),
                self.submitted,
                self.callbacks,
                self.mortal,
                self.restless,
                self.dropped,
            )
        finally:
            backend.close()

    def refused(self) -> int:
        """How many outcomes the store refused, as the pools logged it."""
        texts = ("was refused: its claim", "comes after the lease", "The lease of worker")
        return sum(self.log.count(text) for text in texts)

    def close(self) -> None:
        """End whatever is left, by pid."""
        for pool in self.pools:
            for pid in pool.tree():
                processes.send(pid)
            pool.process.wait(60)
        for pid in processes.marked(str(self.folder)):
            processes.send(pid)
        self.play.broker.backend.close()
        self.store.close()
        for host in self.hosts:
            host.close()
        if self.disk is not None:
            self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def uuid_in(partition: int) -> str:
    """A new uuid of this partition, of the stores that have some."""
    return at_location(new_uuid(), partition * LOCATIONS // PARTITIONS + 7)


def partition_of(uuid: str) -> int:
    """The partition of a uuid, in these stores."""
    return int(uuid[-4:], 16) * PARTITIONS // LOCATIONS
