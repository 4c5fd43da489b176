"""The defaults and limits of the library. Times are milliseconds."""

from __future__ import annotations

from typing import Final

DEFAULT_NAMESPACE: Final = "alsek"
DEFAULT_QUEUE: Final = "alsek_queue"

DEFAULT_TASK_TIMEOUT: Final = 3_600_000
DEFAULT_MAX_RETRIES: Final = 3
DEFAULT_MECHANISM: Final = "process"

DEFAULT_BACKOFF_FLOOR: Final = 60_000
DEFAULT_BACKOFF_CEILING: Final = 3_600_000

DEFAULT_DLQ_TTL: Final = 7 * 24 * 3_600_000
DEFAULT_RESULT_TTL: Final = 24 * 3_600_000
DEFAULT_STATUS_TTL: Final = 7 * 24 * 3_600_000
DEFAULT_LOCK_TTL: Final = 3_600_000

#: The longest duration (more than 300 years): a store adds it to its clock, and the sum must still be exact.
MAX_DURATION: Final = 10**13
#: The greatest priority: scores of Redis are doubles, which are exact for all integers up to here.
MAX_PRIORITY: Final = 2**53 - 1

#: How long the uuid of a finished message is remembered, so that a submission that is repeated after a lost reply does
#: not run a second time.
DEDUP_WINDOW: Final = 60_000

#: How long a store remembers that a callback will not be submitted because its parent has failed.
FAILED_PARENT_TTL: Final = 86_400_000

#: How long a group is kept after it has ended, and with it the results of its members.
DEFAULT_GROUP_TTL: Final = 86_400_000

#: For how long a schedule that is due is offered to one worker alone.
SCHEDULE_OFFER: Final = 1_000

#: For how long after its last step a sleeping worker is pushed messages: a little more than it sleeps.
SLEEPER_MS: Final = 2_000

#: The most messages that a sleeping worker is pushed between two steps, however many its limits allow: so many wait if
#: it was stopped just then.
MOST_PUSHES: Final = 16

#: A renewal so long after that step gives back the pushes that the worker does not know: it was stopped, or hangs. A
#: worker takes no push that comes later than half of this after the step.
STALE_PUSH_MS: Final = 10_000

#: How late a tick may be fired before it counts as missed.
MISSED_AFTER: Final = 5_000

#: The most missed ticks that ``missed="all"`` fires.
MAX_MISSED_TICKS: Final = 1_000

#: The longest line of a task's log that is kept, in characters.
MAX_LOG_LINE: Final = 4_000

#: The most lines of log that can be kept of a message.
MOST_LOG_LINES: Final = 10_000

DEFAULT_N_THREADS: Final = 8
DEFAULT_N_COROUTINES: Final = 100
DEFAULT_SLOT_WAIT_INTERVAL: Final = 1_000
DEFAULT_PRUNE_INTERVAL: Final = 100
DEFAULT_LEASE: Final = 15_000
DEFAULT_MAX_LOSSES: Final = 5
DEFAULT_SHUTDOWN_TIMEOUT: Final = 25_000

#: The most delayed messages that one step promotes, so that a step stays short if many are due at once.
PROMOTION_BATCH: Final = 500

#: The most submissions in one call of the store.
SUBMISSION_BATCH: Final = 200

#: How long a producer waits for a store that is away.
DEFAULT_SUBMIT_TIMEOUT: Final = 5_000
