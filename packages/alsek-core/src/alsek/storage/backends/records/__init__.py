"""The plain values that pass between a backend and its callers.

They are named tuples of bytes, text and integers. A store needs to know no more of a message, and none of them refers
to a task, a broker or a serializer. Times and durations are milliseconds. They are part of the promise in
:mod:`alsek.storage.backends.ports`.
"""

from alsek.storage.backends.records.group_place import GroupPlace
from alsek.storage.backends.records.groups import (
    GroupMember,
    GroupRecord,
    GroupState,
    GroupSubmission,
    MemberEnd,
)
from alsek.storage.backends.records.inspection import (
    Aside,
    DeadLetter,
    HeldClaim,
    HistoryRow,
    Located,
    Pause,
    QueueTally,
    Stored,
    WorkerRecord,
)
from alsek.storage.backends.records.keys import (
    Conflict,
    HeldUntil,
    Limit,
    LimitRecord,
    UniqueKey,
    UniqueRecord,
)
from alsek.storage.backends.records.outcomes import (
    Accepted,
    Failed,
    Lost,
    Outcome,
    Released,
    Retried,
    SetAside,
    Succeeded,
    refused_again,
)
from alsek.storage.backends.records.reports import Report, ReportRecord
from alsek.storage.backends.records.schedules import ScheduleRecord
from alsek.storage.backends.records.steps import (
    Corrupt,
    HistoryCounts,
    Pushed,
    Step,
    TakenOver,
)
from alsek.storage.backends.records.submissions import (
    ACCEPTED,
    FOR_EVER,
    REPLAYED,
    Added,
    Submission,
)
from alsek.storage.backends.records.values import (
    LockRecord,
    ResultRecord,
    StatusRecord,
    TaskStatus,
)
from alsek.storage.backends.records.workers import (
    Claimed,
    Running,
    Worker,
    WorkerFacts,
    facts_of,
    running_of,
)

__all__ = [
    "ACCEPTED",
    "FOR_EVER",
    "REPLAYED",
    "Accepted",
    "Added",
    "Aside",
    "Claimed",
    "Conflict",
    "Corrupt",
    "DeadLetter",
    "Failed",
    "GroupMember",
    "GroupPlace",
    "GroupRecord",
    "GroupState",
    "GroupSubmission",
    "HeldClaim",
    "HeldUntil",
    "HistoryCounts",
    "HistoryRow",
    "Limit",
    "LimitRecord",
    "Located",
    "LockRecord",
    "Lost",
    "MemberEnd",
    "Outcome",
    "Pause",
    "Pushed",
    "QueueTally",
    "Released",
    "Report",
    "ReportRecord",
    "ResultRecord",
    "Retried",
    "Running",
    "ScheduleRecord",
    "SetAside",
    "StatusRecord",
    "Step",
    "Stored",
    "Submission",
    "Succeeded",
    "TakenOver",
    "TaskStatus",
    "UniqueKey",
    "UniqueRecord",
    "Worker",
    "WorkerFacts",
    "WorkerRecord",
    "facts_of",
    "refused_again",
    "running_of",
]
