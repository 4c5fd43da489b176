"""The registry beside the file: which workers sleep, who subscribes, and how to reach each.

A file of fixed size in the folder ``<file>-wake``, mapped into the memory of every process of the store. It has a slot
for each waiter and each subscription; slot *n* is reached at the datagram socket *n* in the same folder. Whether any
worker sleeps is one search through a thousand bytes of memory, so a producer that wakes nobody pays next to nothing.

Layout: :data:`SLOTS` bytes of states, as many overflow flags ("a datagram for this slot was lost"), then a record of
each slot (see slot_records.py).

A slot is taken and freed under ``flock`` on the file; everything else is written without a lock. That is enough,
because the registry only gives hints: the store's state is what counts. Each worker looks at the store after it has
written that it sleeps, each writer looks at the registry after its commit, and every sleeping worker looks at the
store once a second.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.storage.backends.sqlite.wakeup.slot_records import RECORD, SlotRecords
from alsek.storage.backends.sqlite.wakeup.socket_folder import address_base, make_folder, open_up

if sys.platform != "win32":
    import fcntl

log = guarded_logger(__name__)

SLOTS: Final = 1024
_RECORDS: Final = 2 * SLOTS
_SIZE: Final = _RECORDS + SLOTS * RECORD

#: The name of the file, with the version of its layout.
FILE: Final = "board-1"

FREE, AWAKE, ASLEEP, LISTENING = b"\0", b"\1", b"\2", b"\3"

#: The lock is held for microseconds. A process that was stopped (SIGSTOP) while it held it must not stop all others.
_LOCKED_AT_MOST_S: Final = 1.0
_TRY_AGAIN_AFTER_S: Final = 0.005

#: The receiver's buffer is full, or the datagram is larger than any buffer.
_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE})


def _allocate(descriptor: int) -> None:
    """Give the file its size, and all of it a place on the disk where the system can be asked for that (not on macOS).

    Writing to a hole of a mapped file while the disk is full ends the process, by SIGBUS.

    Raises:
        OSError: The disk is full.
    """
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, _SIZE)
    else:
        os.ftruncate(descriptor, _SIZE)


class WakeupRegistry:
    """The registry, and the sockets beside it, as one process uses them.

    Args:
        path: The database file, which exists.

    Attributes:
        records: What the registry says of each slot.

    Raises:
        OSError: There can be no registry here.
    """

    _closed = True  # until there is something to close

    def __init__(self, path: str) -> None:
        if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
            raise OSError("this platform has no Unix datagram sockets")
        self._folder = make_folder(path)
        self._folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._mode = Path(path).stat().st_mode & 0o666
        try:
            self._base = address_base(self._folder, self._folder_fd)
            # Created as 0o600 and opened up afterwards, whatever the umask is.
            self._fd = os.open(self._folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except BaseException:
            os.close(self._folder_fd)
            raise
        try:
            stat = os.fstat(self._fd)
            if stat.st_size < _SIZE or stat.st_blocks * 512 < _SIZE:
                _allocate(self._fd)
            if stat.st_size < _SIZE:
                open_up(self._folder / FILE, self._mode)
            self._map = mmap.mmap(self._fd, _SIZE)
            self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        except BaseException:
            os.close(self._fd)
            os.close(self._folder_fd)
            raise
        self._out.setblocking(False)
        self.records = SlotRecords(self._map, _RECORDS)
        self._closed = False

    def close(self) -> None:
        """Close the file and the sending socket. The slots of this process are freed by those that took them."""
        if not self._closed:
            self._closed = True
            self._out.close()
            self._map.close()
            os.close(self._fd)
            os.close(self._folder_fd)

    def __del__(self) -> None:
        self.close()

    def is_current(self) -> bool:
        """Return True if the file is still there, for other processes to find."""
        try:
            seen, own = (self._folder / FILE).stat(), os.fstat(self._fd)
        except OSError:
            return False
        return (seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino)

    def take(self) -> tuple[int, socket.socket]:
        """Return a slot that nobody else has, and its socket.

        Raises:
            OSError: All slots are taken by living processes, or one of these was stopped while it took one.
        """
        with self._locked():
            slot = self._map.find(FREE, 0, SLOTS)
            if slot < 0:
                slot = self._abandoned()
            receiver = self._bind(slot)
            self._map[SLOTS + slot] = 0
            self._map[slot : slot + 1] = AWAKE
            return slot, receiver

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Let only one process at a time take and free slots. The lock ends with the process that holds it.

        Raises:
            OSError: A process holds the lock for longer than it can take: it was stopped (SIGSTOP) just then.
        """
        give_up_at = time.monotonic() + _LOCKED_AT_MOST_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_TRY_AGAIN_AFTER_S)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _bind(self, slot: int) -> socket.socket:
        address = self._folder / str(slot)
        address.unlink(missing_ok=True)  # left by a process that died
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            receiver.setblocking(False)
            receiver.bind(f"{self._base}{slot}")
            open_up(address, self._mode)
        except BaseException:
            receiver.close()
            raise
        return receiver

    def _abandoned(self) -> int:
        """Return a slot whose process has died."""
        for slot in range(SLOTS):
            if self._is_abandoned(slot):
                return slot
        raise OSError(f"all {SLOTS} places of {self._folder} are taken")

    def _is_abandoned(self, slot: int) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(f"{self._base}{slot}")
            except (ConnectionRefusedError, FileNotFoundError):
                return True
        return False

    def free(self, slot: int) -> None:
        """Free a slot of this process. If that can't be done now, it is found abandoned later."""
        with suppress(BlockingIOError), self._locked():
            self._free(slot)

    def _free_abandoned(self, slot: int) -> None:
        """Free the slot of a process that died, unless another one has taken it since, or that can't be done now."""
        with suppress(BlockingIOError), self._locked():
            if self._is_abandoned(slot):
                self._free(slot)

    def _free(self, slot: int) -> None:
        (self._folder / str(slot)).unlink(missing_ok=True)
        self._map[slot : slot + 1] = FREE

    def state(self, slot: int) -> bytes:
        """Return FREE, AWAKE, ASLEEP or LISTENING."""
        return self._map[slot : slot + 1]

    def set_state(self, slot: int, state: bytes) -> None:
        """Set the state of an own slot, or that of a sleeper that is about to be woken."""
        self._map[slot : slot + 1] = state

    def next(self, state: bytes, start: int = 0) -> int:
        """Return the first slot from `start` on that is in this state; -1 if there is none."""
        return self._map.find(state, start, SLOTS)

    def send(self, slot: int, data: bytes) -> bool | None:
        """Send a datagram to a slot.

        Returns:
            True if it was sent. False if the receiver's buffer is full or too small; then its overflow flag is set.
            None if the slot can't be reached; the slot of a process that died is freed.
        """
        try:
            self._out.sendto(data, f"{self._base}{slot}")
        except (ConnectionRefusedError, FileNotFoundError):
            self._free_abandoned(slot)
            return None
        except OSError as error:
            self.set_overflow(slot)
            if error.errno in _FULL:
                return False
            log.debug("Could not reach %s/%d: %s", self._folder, slot, error)
            return None
        return True

    def set_overflow(self, slot: int) -> None:
        """Set a slot's overflow flag: a datagram for it was lost."""
        self._map[SLOTS + slot] = 1

    def take_overflow(self, slot: int) -> bool:
        """Clear a slot's overflow flag, and return True if it was set."""
        if self._map[SLOTS + slot]:
            self._map[SLOTS + slot] = 0
            return True
        return False
