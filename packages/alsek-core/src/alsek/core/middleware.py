"""Middleware: the user's code around every submission and every attempt of a broker's messages."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from inspect import isawaitable
from typing import Any

from alsek.core.event_loops import finish
from alsek.core.failure import class_name, qualified_name
from alsek.core.message import Message
from alsek.core.message_fields import check_changed
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.types import Ending


class Middleware:
    """Code that runs around the messages of a broker: ``Broker(backend, middleware=[Timing(), Tracing()])``.

    Override what is needed. One object serves all messages of a process, in several threads at once; a pool has a copy
    in each process that it forks.
    """

    def submitting(self, message: Message) -> Awaitable[None] | None:
        """Do something before `message` is submitted: add to its ``metadata``, for example.

        An exception refuses the submission: the caller sees it, and nothing is submitted. Called in the order of the
        list, once for each call that submits (``generate``, ``generate_many``, ``Broker.submit`` and ``submit_many``,
        each tick of a trigger). So it is called again if a call is repeated after an error of the store, and the store
        may yet refuse the message. For a list of calls it is called for all of them before the first is submitted.

        A callback is submitted when the message before it has succeeded. Then this is called in the worker, at the end
        of the attempt and under its timeout; an exception fails that attempt, since a success without its callback
        would end the chain unnoticed.

        For the callback of a group it is called when the group is submitted. For a failure callback it is called in the
        worker, once the message before it has failed; an exception is logged, and the callback is left out.

        For a tick of a schedule it is called in the worker that fires it, in a thread of its own; an exception is
        logged, and the tick is left out. But after a :class:`~alsek.exceptions.BackendError` it is tried again.

        It may be an ``async def``. ``agenerate`` and the like await it; ``generate`` runs it to its end.

        Not called when a stored message is put back: by a retry, by ``Broker.replay``, or by a command. It has what was
        added when it was submitted.

        The message must stay one that can be submitted, and keep its uuid; otherwise it is refused.
        """
        return None

    def attempt(self, message: Message) -> AbstractContextManager[Any] | AbstractAsyncContextManager[Any]:
        """Return a context manager within which the attempt runs: ``pre_op``, the function, ``post_op``.

        Called in worker pools, in the order of the list: the first is the outermost. It runs in the thread and context
        of the attempt and under its timeout, which includes what the context managers do. What is raised here, on
        entering or on leaving fails the attempt, as an exception of the function does.

        The context manager sees the exception of the attempt, and may raise another in its place. It can't turn a
        failure into a success: if it swallows the exception, the attempt has failed with it all the same, and
        middleware further out still sees it.

        It may be an asynchronous context manager for a task that is an ``async def``; for others it must be a
        synchronous one. One that is both is entered synchronously.

        Not called for a message that is not run, because it was revoked or has expired, for example.
        """
        return nullcontext()

    def ended(self, message: Message, outcome: Ending) -> None:
        """Do something after an attempt of `message`, or its end without one; an exception is logged, and no more.

        `outcome` is one of

        - ``"succeeded"``;
        - ``"retrying"``: it failed, and is run again; ``message.exception_details`` says why. After an uncounted
          :class:`~alsek.exceptions.Retry` nothing has failed: the ``text`` there ends in ``(not counted as a retry)``;
        - ``"failed"``: it failed for good, or could not be run; likewise;
        - ``"revoked"`` or ``"expired"``: it is not run, or was stopped; likewise;
        - ``"lost"``: its worker died, and it is ready again with one loss more. If it is known that its own code ended
          the process, the message has failed with ``WorkerLostError`` instead, and is ``"retrying"`` or ``"failed"``.

        Called in worker pools, in the order of the list, once the store has accepted the outcome: in the thread of a
        thread pool, in the task process of a process pool, in a process of its own for a message whose process has
        died. It has as long as the ``on_…`` hooks. It is called once for an outcome, with two exceptions: not at all if
        the process dies or hangs before it has been called, and perhaps twice if the reply of the store was lost after
        a process had died. So don't count by it what must be exact: ``Inspector.history`` does.

        Not called for a message that can't be read, for one whose whole machine was lost (another pool takes it over
        at the end of the lease), and for what is done by hand through a broker (``remove``, ``fail``, ``revoke``).
        """

    def stopping(self) -> None:
        """Do something before a process of a pool ends: hand over what is buffered, for example.

        Called after the :func:`~alsek.core.hooks.on_worker_stop` hooks, in the same processes and under the same terms.
        """


def middleware_of(given: Iterable[Middleware]) -> tuple[Middleware, ...]:
    """Return what was given to a broker, checked.

    Raises:
        ValidationError: It is no list of middleware.
    """
    asked: Any = given
    if isinstance(asked, Middleware | str) or not isinstance(asked, Iterable):
        raise ValidationError(f"Broker(middleware={shown(asked)}): must be a list of middleware")
    found: list[Middleware] = []
    for each in asked:
        if isinstance(each, type) and issubclass(each, Middleware):
            raise ValidationError(
                f"Broker(middleware=[{each.__name__}]): that is the class; make one: {each.__name__}()"
            )
        if not isinstance(each, Middleware):
            raise ValidationError(
                f"Broker(middleware=[{shown(each)}]): {class_name(each)} is no subclass of alsek.Middleware"
            )
        found.append(each)
    return tuple(found)


def overriding(middleware: Iterable[Middleware], method: str) -> tuple[Middleware, ...]:
    """Return those that override `method` of :class:`Middleware`, in order: the others need not be called."""
    own = getattr(Middleware, method)
    return tuple(each for each in middleware if getattr(getattr(each, method), "__func__", None) is not own)


def call_submitting(middleware: Iterable[Middleware], message: Message) -> None:
    """Call :meth:`Middleware.submitting` of each. What one raises refuses the submission.

    Raises:
        ValidationError: One has changed the message into something that can't be submitted.
    """
    uuid = message.uuid
    for each in middleware:
        submitting: Any = each.submitting  # it may be an `async def`
        finish(submitting(message))
        _check(each, message, uuid)


async def acall_submitting(middleware: Iterable[Middleware], message: Message) -> None:
    """As :func:`call_submitting`, in an event loop."""
    uuid = message.uuid
    for each in middleware:
        submitting: Any = each.submitting
        returned = submitting(message)
        if isawaitable(returned):
            await returned
        _check(each, message, uuid)


def _check(middleware: Middleware, message: Message, uuid: str) -> None:
    """Refuse what a middleware has made of a message of this uuid, if that can't be submitted."""
    try:
        if message.uuid != uuid:
            raise ValidationError(f"uuid={shown(message.uuid)}: must stay {uuid!r}, which others may know")
        check_changed(message)
    except ValidationError as error:
        message.uuid = uuid
        raise ValidationError(
            f"{qualified_name(middleware.submitting)} has changed the message: {error}"
        ) from None
