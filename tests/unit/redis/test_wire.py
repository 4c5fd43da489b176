"""The connections that calls use."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import ssl
import threading
from typing import Any

import pytest
import redis

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.client.wire import Wire

pytestmark = pytest.mark.redis


class _Parser:
    parse_error = staticmethod(redis.ResponseError)


class _Connection:
    """What a wire uses of redis-py's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock: Any = sock
        self._parser = _Parser()

    def disconnect(self) -> None:
        self._sock.close()


def _connected(timeout_s: float) -> Any:
    """A wire, and the server's end of it."""
    ours, theirs = socket.socketpair()
    ours.settimeout(timeout_s)
    with ours, theirs:
        yield Wire(_Connection(ours)), theirs


@pytest.fixture
def ends() -> Any:
    """A wire that waits as long as a busy machine may need, and the server's end of it."""
    yield from _connected(20)


@pytest.fixture
def hasty() -> Any:
    """A wire that hardly waits, and the server's end of it."""
    yield from _connected(0.1)


def test_a_reply_in_pieces_is_read_whole(ends: Any) -> None:
    """However a reply is cut by the network, it is returned once it is complete, and the next one is its own."""
    wire, server = ends

    def serve() -> None:
        server.recv(1)
        for piece in (b"*2\r\n$3\r\nab", b"c\r\n:", b"7\r\n"):
            server.sendall(piece)
        server.recv(1)  # the second command
        server.sendall(b":1\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    assert wire.ask(b"x") == [b"abc", 7]
    assert wire.ask(b"y") == 1
    thread.join()


def test_a_command_of_any_length_is_sent_whole(ends: Any) -> None:
    """A command that the socket's buffer can't hold is sent as the server reads it."""
    wire, server = ends
    packed = encode((b"SET", b"k", b"v" * 5_000_000))
    received = bytearray()

    def serve() -> None:
        while len(received) < len(packed):
            received.extend(server.recv(1_000_000))
        server.sendall(b"+OK\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    assert wire.ask(packed) == b"OK"
    thread.join()
    assert bytes(received) == packed


def test_no_reply_in_time_is_a_timeout(hasty: Any) -> None:
    """A server that does not answer within the socket's timeout closes its connection; the command may be done."""
    wire, _ = hasty
    with pytest.raises((redis.TimeoutError, TimeoutError)):
        wire.ask(b"x")
    assert not wire.unsent
    assert wire._connection._sock.fileno() == -1


def test_a_server_that_does_not_read_is_a_timeout(hasty: Any) -> None:
    """A command that can't be sent whole within the timeout is known as not carried out."""
    wire, _ = hasty
    with pytest.raises((redis.TimeoutError, TimeoutError)):
        wire.ask(b"x" * 5_000_000)
    assert wire.unsent


def test_a_closed_connection_is_a_lost_one(ends: Any) -> None:
    """A server that closes the connection in place of an answer is told by redis-py's error."""
    wire, server = ends
    server.shutdown(socket.SHUT_WR)
    with pytest.raises(redis.ConnectionError):
        wire.ask(b"x")


def test_an_error_of_the_server_leaves_the_connection_open(ends: Any) -> None:
    """An error that the server answered is raised, and the next command is answered."""
    wire, server = ends
    server.sendall(b"-ERR no\r\n")
    with pytest.raises(redis.ResponseError):
        wire.ask(b"x")
    server.sendall(b":1\r\n")
    assert wire.ask(b"x") == 1


def test_a_signal_does_not_end_a_call(ends: Any) -> None:
    """A signal whose handler returns interrupts nothing: the call waits further for its reply."""
    wire, server = ends
    handled: list[int] = []

    def handle(number: int, _: object) -> None:
        handled.append(number)
        server.sendall(b":5\r\n")

    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        me = threading.get_ident()
        caller = threading.Thread(target=lambda: (server.recv(1), signal.pthread_kill(me, signal.SIGUSR1)))
        caller.start()
        assert wire.ask(b"x") == 5
        caller.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert handled == [signal.SIGUSR1]


def test_signals_do_not_prolong_a_wait(hasty: Any) -> None:
    """A timer that rings more often than the timeout does not keep a call to a server that hangs from ending."""
    wire, server = hasty
    rings: list[int] = []

    def ring(number: int, _: object) -> None:
        rings.append(number)
        if len(rings) == 100:
            server.sendall(b":5\r\n")  # else the test would never end

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises((redis.TimeoutError, TimeoutError)):
            wire.ask(b"x")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert not wire.unsent
    assert rings


def test_what_does_not_wait_in_the_kernel_keeps_its_own_timeout() -> None:
    """A socket of another class, as TLS has, keeps the timeout that redis-py has set: OpenSSL would wait for ever."""
    ours, theirs = socket.socketpair()
    with (
        theirs,
        ssl.create_default_context().wrap_socket(
            ours, server_hostname="x", do_handshake_on_connect=False
        ) as wrapped,
    ):
        wrapped.settimeout(0.2)
        Wire(_Connection(wrapped))
        assert wrapped.gettimeout() == 0.2


def test_a_server_that_hangs_is_given_up_in_time(redis_server: Any) -> None:
    """A call to a server that does not go on ends within a bounded time, and the next one succeeds when it does."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=2_000)
    backend.set("n", 1)
    server.pause()
    try:
        with pytest.raises(BackendUnavailableError):
            backend.get("n")
    finally:
        server.resume()
    assert backend.get("n") == 1
    backend.close()


def test_a_child_that_was_forked_past_python_has_connections_of_its_own(redis_server: Any) -> None:
    """uWSGI forks its workers without calling Python's hooks: on one socket each might read the other's replies."""
    backend = RedisBackend(redis_server().url)
    backend.set("n", 1)
    mine = [wire._connection._sock for wire in backend._link._idle]
    assert mine
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        good = backend.get("n") == 1 and not any(
            wire._connection._sock.fileno() == each.fileno() for wire in backend._link._idle for each in mine
        )
        os._exit(0 if good else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert backend.get("n") == 1
    backend.close()
