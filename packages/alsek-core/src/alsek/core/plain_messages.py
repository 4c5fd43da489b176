"""Messages as plain data, as which they travel in the payload of another one: as its failure callback, or in a group.

The callbacks of such a message are a flat list, so that no serializer has to go as deep as a chain is long.
"""

from __future__ import annotations

from typing import Final

from alsek.core.callbacks import Chain, Data, links, nested, own
from alsek.core.message import Message, with_defaults
from alsek.core.payload import NAMED, marked, without_defaults

_CALLBACKS: Final = "callbacks"


def message_to_data(message: Message) -> Data:
    """Return a message and the callbacks that follow it as plain data."""
    data = without_defaults(marked(message.own_data(), message.named))
    callbacks = [without_defaults(own(link)) for link in links(message.callback_message_data)]
    return {**data, _CALLBACKS: callbacks} if callbacks else data


def message_from_data(data: Data) -> Message:
    """Return the message of which :func:`message_to_data` made this.

    Raises:
        Exception: It is something else.
    """
    fields: Data = {NAMED: False, **data}
    callbacks = fields.pop(_CALLBACKS, ())
    message = Message(**fields)
    chain = nested([with_defaults(link) for link in callbacks])
    message.chain = None if chain is None else Chain(chain)
    return message


def with_callbacks(data: Data) -> list[Data]:
    """Return a message in this form, and the callbacks that follow it."""
    return [data, *data.get(_CALLBACKS, ())]
