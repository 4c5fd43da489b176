"""What the store has answered to the submission of a message, as the message shows it."""

from __future__ import annotations

from alsek.core.keys.texts import readable
from alsek.core.message import Message
from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import MessageAlreadyExistsError, MessageNotUniqueError
from alsek.storage.backends.records import Added, UniqueKey


def settle(message: Message, added: Added) -> None:
    """Note in a message how the store took it.

    Raises:
        MessageAlreadyExistsError: A message of its uuid exists; nothing was submitted.
        MessageNotUniqueError: Another message holds its key, and `conflict` is ``"raise"``; likewise.
    """
    uuid = message.uuid
    if not note(message, added):
        if not message.duplicate:
            raise MessageAlreadyExistsError(_already_exists(message, added))
        if raises(message):
            message.uuid, message.duplicate = uuid, False
            raise not_unique(message, added.existing, "was not submitted")


def note(message: Message, added: Added) -> bool:
    """Note in a message whether it is a duplicate, and return True if it was submitted."""
    other = bool(added.existing) and (added.accepted or added.existing != message.uuid)
    # Submitted once more, it has the uuid of the other one already.
    still = message.duplicate and not added.accepted and added.state != "finished"
    message.duplicate = (other or still) and message.unique is not None
    message.replaced = message.duplicate and added.accepted
    if message.duplicate:
        message.uuid = added.existing
    return added.accepted


def raises(message: Message) -> bool:
    """Return True if it is an error to submit a message while another one holds its key."""
    return message.unique is not None and UniqueKey.of_text(message.unique).conflict == "raise"


def not_unique(message: Message, holder: str, what: str) -> MessageNotUniqueError:
    """Return the error of a message whose key another one holds.

    Args:
        message: The message.
        holder: The uuid of the other one.
        what: What was not done.
    """
    key = "" if message.unique is None else readable(UniqueKey.of_text(message.unique).key)
    return MessageNotUniqueError(
        f"{message.summary} {what}: message {holder!r} holds its unique key {key!r}", key, holder
    )


def _already_exists(message: Message, added: Added) -> str:
    """Return the text of a :class:`MessageAlreadyExistsError`."""
    if added.state == "finished":
        return f"{message.summary} was finished less than {DEDUP_WINDOW // 1000} s ago: submit it under another uuid"
    return f"{message.summary} exists ({added.state or 'unreadable'}): submit it under another uuid"
