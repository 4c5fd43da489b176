"""The ports of a backend: the interface that a store implements. **Their docstrings are the promise.**

| port | module | what it is for |
|---|---|---|
| :class:`SubmissionPort` | ``submission`` | producers store messages |
| :class:`WorkPort` | ``work`` | workers claim messages and report outcomes |
| :class:`ControlPort` | ``control`` | commands and tools remove, reschedule, revoke, replay and purge messages |
| :class:`InspectionPort` | ``inspection`` | reads of messages, queues and dead letters |
| :class:`ResultPort` | ``results`` | results of tasks |
| :class:`StatusPort` | ``statuses`` | statuses of messages |
| :class:`LockPort` | ``locks`` | locks |
| :class:`ValuePort` | ``values`` | values by name |
| :class:`GroupPort` | ``groups`` | groups of messages; a backend need not have it |
| :class:`SchedulePort` | ``schedules`` | schedules; a backend need not have it |
| :class:`TransferPort` | ``transfer`` | moves all of a store to another one |

:class:`MessagePort` is the sum of the first four.

These rules hold for every method of every port:

* **Atomic.** A method is one step of the store: one script or one transaction. After a crash at any moment, the store
  has all of its writes or none.
* **Store time.** Delays, leases and expiries are measured on the store's clock, never on the caller's.
* **Repeatable.** A call may be sent again after a lost reply, without harm. A method that is not repeatable by its
  nature takes an argument that makes it so (a request id, a worker's sequence number).
* **Errors.** A method raises :class:`~alsek.exceptions.BackendUnavailableError` within a bounded time if the store
  can't be reached, and :class:`~alsek.exceptions.BackendError` for any other fault of the store. The client library's
  error is its cause.
* **Thread-safe and fork-safe.** Any thread may call a method. A forked child never shares a connection with its
  parent.

The suite in ``tests/contract`` checks every backend against this promise.
"""

from alsek.storage.backends.ports.control import ControlPort
from alsek.storage.backends.ports.groups import GroupPort
from alsek.storage.backends.ports.inspection import InspectionPort
from alsek.storage.backends.ports.locks import LockPort
from alsek.storage.backends.ports.messages import MessagePort
from alsek.storage.backends.ports.results import ResultPort
from alsek.storage.backends.ports.schedules import SchedulePort
from alsek.storage.backends.ports.statuses import StatusPort
from alsek.storage.backends.ports.submission import SubmissionPort
from alsek.storage.backends.ports.transfer import TransferPort
from alsek.storage.backends.ports.values import ValuePort
from alsek.storage.backends.ports.waiter import Waiter
from alsek.storage.backends.ports.work import WorkPort

__all__ = [
    "ControlPort",
    "GroupPort",
    "InspectionPort",
    "LockPort",
    "MessagePort",
    "ResultPort",
    "SchedulePort",
    "StatusPort",
    "SubmissionPort",
    "TransferPort",
    "ValuePort",
    "Waiter",
    "WorkPort",
]
