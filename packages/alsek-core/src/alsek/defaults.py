"""Every default of the library, and what bounds it, in one place. Times are milliseconds."""

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

#: No duration may be longer (more than 300 years): a store adds it to its clock, and must still have an exact number.
MAX_DURATION: Final = 10**13
#: No priority may be greater: scores of Redis are doubles, which hold every integer up to here.
MAX_PRIORITY: Final = 2**53 - 1

#: How long the uuid of a finished message is remembered, so that a submission
#: repeated after a lost reply does not run a second time.
DEDUP_WINDOW: Final = 60_000

DEFAULT_N_THREADS: Final = 8
DEFAULT_SLOT_WAIT_INTERVAL: Final = 1_000
DEFAULT_PRUNE_INTERVAL: Final = 100
DEFAULT_LEASE: Final = 15_000
DEFAULT_MAX_LOSSES: Final = 5
DEFAULT_SHUTDOWN_TIMEOUT: Final = 25_000

#: A claim makes at most this many due messages ready in one step, so that a
#: step stays short however many came due at once.
PROMOTION_BATCH: Final = 500

#: One call of the store takes at most this many submissions.
SUBMISSION_BATCH: Final = 200

#: A producer waits at most this long for a store that is away.
DEFAULT_SUBMIT_TIMEOUT: Final = 5_000
