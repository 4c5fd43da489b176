"""Every default of the library, in one place. Times are milliseconds."""

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

#: How long the uuid of a finished message is remembered, so that a submission
#: repeated after a lost reply does not run a second time.
DEDUP_WINDOW: Final = 60_000

DEFAULT_LEASE: Final = 15_000
DEFAULT_MAX_LOSSES: Final = 5
DEFAULT_SHUTDOWN_TIMEOUT: Final = 25_000

#: A claim makes at most this many due messages ready in one step, so that a
#: step stays short however many came due at once.
PROMOTION_BATCH: Final = 500

#: One call of the store takes at most this many submissions.
SUBMISSION_BATCH: Final = 200

#: The longest duration that every store can add to its clock: three centuries. One that is longer stands for it.
LONGEST_DURATION: Final = 10**13
#: The largest integer that every store keeps.
LARGEST_INTEGER: Final = 2**63 - 1

#: A producer waits at most this long for a store that is away.
DEFAULT_SUBMIT_TIMEOUT: Final = 5_000
