"""Making a task's messages, and submitting them without blocking an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sized
from inspect import isawaitable
from typing import Any, Final

from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.middleware import acall_submitting
from alsek.core.status import TaskStatus
from alsek.core.submission.call_builder import CallBuilder, error_suffix
from alsek.core.submission.calls import AnyCall, Generated, abatches, batches
from alsek.core.submission.chaining import Callbacks, callbacks_of
from alsek.core.submission.options import MessageOptions
from alsek.core.submission.producer import Producer, give_ttl
from alsek.core.submission.task_keys import LimitsOption, UniqueOption
from alsek.core.submission.transactions import OnCommit, checked, transactions
from alsek.defaults import SUBMISSION_BATCH
from alsek.storage.backends.records import Submission
from alsek.types import Duration

log = guarded_logger(__name__)

#: After so many messages that are made the event loop has a turn.
_PIECE: Final = 50


class AsyncProducer(Producer):
    """A producer that coroutines may use, too: :meth:`agenerate` is :meth:`generate`."""

    async def agenerate(
        self,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: Duration | None = None,
        uuid: str | None = None,
        timeout_override: Duration | None = None,
        delay: Duration | None = None,
        previous_result: Any = None,
        callback: Callbacks | None = None,
        queue: str | None = None,
        unique: UniqueOption = None,
        limits: LimitsOption = None,
        submit: bool = True,
        failure_callback: Message | None = None,
        on_commit: OnCommit = False,
        **options: Any,
    ) -> Message:
        """As :meth:`generate`, without blocking the event loop; calls :meth:`Broker.asubmit`.

        If it is cancelled, the message is submitted or not, never half. An ``async def`` :meth:`on_submit` is awaited.

        With `on_commit`, the transaction is that of the synchronous code that this coroutine serves, if there is one;
        the submission is made in a thread.
        """
        submit = self._consume_defer(submit)
        if options and options.keys() != {"ttl"}:
            plain = submit and on_commit is False
            self._check_options("agenerate", type(self.broker).asubmit, options, plain)
        message = self.build(
            args,
            kwargs,
            priority=priority,
            metadata=metadata,
            result_ttl=result_ttl,
            uuid=uuid,
            timeout_override=timeout_override,
            delay=delay,
            previous_result=previous_result,
            callback=callback,
            queue=queue,
            unique=unique,
            limits=limits,
            failure_callback=failure_callback,
        )
        if on_commit is not False:
            using = checked(on_commit, submit, message)
            give_ttl(message, options.get("ttl"))
            await acall_submitting(self.broker.submission_middleware, message)
            await transactions().aon_commit(self._prepared(message), using)
        elif submit:
            await self.broker.asubmit(message, **options)
            if not message.duplicate or message.replaced:
                await self.aafter_submission(message)
        else:
            self._check_deferred(message, options.get("ttl"), callbacks_of(callback, failure_callback))
        return message

    async def agenerate_many(
        self,
        calls: Iterable[AnyCall],
        *,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: Duration | None = None,
        timeout_override: Duration | None = None,
        delay: Duration | None = None,
        queue: str | None = None,
        ttl: Duration | None = None,
        unique: UniqueOption = None,
        limits: LimitsOption = None,
        submit: bool = True,
        on_commit: OnCommit = False,
    ) -> Generated:
        """As :meth:`generate_many`, without blocking the event loop.

        If it is cancelled, some batches may be submitted, each whole or not at all.
        """
        submit = self._consume_defer(submit)
        defaults: MessageOptions = {
            "priority": priority,
            "metadata": metadata,
            "result_ttl": result_ttl,
            "timeout_override": timeout_override,
            "delay": delay,
            "queue": queue,
            "ttl": ttl,
            "unique": unique,
            "limits": limits,
        }
        whole = isinstance(calls, Sized) or on_commit is not False
        built = self._abuild_all(calls, defaults, submit, error_suffix(submit, whole))
        generated = Generated()
        if on_commit is not False:
            using = checked(on_commit, submit, self.name)
            prepared = self._all_prepared([each async for each in built], generated)
            await transactions().aon_commit(prepared, using)
            return generated
        if whole:
            for batch in batches(iter([each async for each in built]), SUBMISSION_BATCH):
                await self._take_batch(batch, generated, submit)
        else:
            async for batch in abatches(built, SUBMISSION_BATCH):
                await self._take_batch(batch, generated, submit)
        return generated

    async def _abuild_all(
        self, calls: Iterable[AnyCall], defaults: MessageOptions, submit: bool, suffix: str
    ) -> AsyncGenerator[tuple[Message, Submission], None]:
        middleware = self.broker.submission_middleware if submit else ()
        built = CallBuilder(self, defaults, suffix)
        driver = self.broker.backend.loop_driver()
        for number, given in built.numbered(calls):
            if number % _PIECE == _PIECE - 1:
                await driver.sleep(0)
            message = built.message(number, given)
            if middleware:
                await acall_submitting(middleware, message)
            yield message, built.packed(number, message)

    async def _take_batch(
        self, batch: list[tuple[Message, Submission]], generated: Generated, submit: bool
    ) -> None:
        if not submit:
            self._defer_batch(batch, generated)
            return
        for message, _ in batch:
            message.named = message.submitted = True  # from here on the store may know its uuid
        answers = await self.broker.asubmit_packed([submission for _, submission in batch])
        for (message, _), added in zip(batch, answers, strict=True):
            if generated.note(message, added):
                await self.aafter_submission(message)

    async def aafter_submission(self, message: Message) -> None:
        """As :meth:`after_submission`, in an event loop."""
        # The message is in the store: an error raised here would make the caller submit it a second time.
        try:
            if self.status_tracker is not None and not message.status_ttl:
                await self.status_tracker.aset(message, TaskStatus.SUBMITTED)
            on_submit: Any = self.on_submit  # it may be an `async def`
            returned = on_submit(message)
            if isawaitable(returned):
                await returned
        except Exception:
            log.exception("%s was submitted, but on_submit or the status tracker failed.", message.summary)
