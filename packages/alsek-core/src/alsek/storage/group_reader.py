"""Waiting for a group, and reading its results: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from typing import Any

from alsek.core.arguments.building import MisfitError, builder_of
from alsek.core.bounds import checked_wait
from alsek.core.clock import real_time as time
from alsek.core.ending import never_submitted
from alsek.core.groups.group import Group
from alsek.core.groups.results import failure_of_member, read_results
from alsek.exceptions import GroupFailedError, TaskFailedError, ValidationError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import GroupRecord
from alsek.types import Duration


class GroupReader:
    """Reads the results of groups. What it does is said at :meth:`ResultStore.get`.

    Args:
        driver: Of the backend of a result store. The group may be in another one.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def get(self, group: Group, timeout: Duration | None, type_hint: Any) -> Any:
        """Return the results of the members of a group."""
        timeout = checked_wait("timeout", timeout, f"ResultStore.get() of {group.summary}")
        broker = group.broker
        driver, serializer = self._driver, self._driver.backend.serializer
        if broker is not None:
            serializer = broker.backend.serializer
            if not driver.backend.same_store(broker.backend):
                driver = driver.of(broker.backend)
        if timeout is None:
            record = await driver.ask(driver.backend.groups.get, group.id)
            if record is None or record.state == "open":
                raise KeyError(f"{group.summary} has not ended: give a timeout to wait for it")
        else:
            record = await _wait(driver, group, timeout)
        if record.state != "joined":
            raise _failed(group, record)
        results = (await read_results(driver, group.id, serializer)).results
        build = None if type_hint is None else builder_of(type_hint)
        if build is None:
            return results
        try:
            return build(results, "result")
        except MisfitError as misfit:
            raise ValidationError(
                f"the results of {group.summary} do not fit their type: {misfit}"
            ) from misfit


async def _wait(driver: Driver, group: Group, timeout: int) -> GroupRecord:
    """Return the group once it has ended."""
    deadline = time.monotonic() + timeout / 1000
    # What is published of a callback that will not come is published on the channel of its result.
    async with await driver.subscribe(f"groups:{group.id}", f"results:{group.id}") as news:
        while True:
            record = await driver.ask(driver.backend.groups.get, group.id)
            if record is None:
                await _check_awaited(driver, group)
            elif record.state != "open":
                return record
            left = int((deadline - time.monotonic()) * 1000)
            if left <= 0:
                raise TimeoutError(f"{group.summary} has not ended after {timeout} ms")
            await news.wait(left)


async def _check_awaited(driver: Driver, group: Group) -> None:
    """Raise an error if a group that is not stored will not be stored either."""
    if group.packed is not None and group.packed.complete:
        raise TaskFailedError(f"{group.summary} is gone: it has ended longer ago than its ttl")
    if (failure := await never_submitted(driver, group.id, group.summary)) is not None:
        raise failure


def _failed(group: Group, record: GroupRecord) -> GroupFailedError:
    member = record.failure
    if record.state == "revoked" or member is None:
        return GroupFailedError(f"{group.summary} was revoked", group=group.id)
    why = failure_of_member(member, (member.number,))
    told = "was revoked or removed" if why.revoked else "failed"
    details: Any = why.details
    cause = "" if details is None else f": {details['name']}: {details['text']}"
    return GroupFailedError(
        f"{group.summary} failed: member {why.number} of it, with message {why.uuid!r}, {told}{cause}",
        details,
        group=group.id,
        number=why.number,
        uuid=why.uuid,
    )
