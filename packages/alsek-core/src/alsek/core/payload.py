"""The payload of a message: which fields are in it.

A payload is a dict of the message's fields, serialized, without those that are at their default. `uuid` and `queue` are
names in the store, so the payload has no copy of them. The callbacks that follow are part of it (see
:mod:`alsek.core.callbacks`).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from alsek.core.callbacks import Data
from alsek.core.message_fields import DEFAULTS, OWN_FIELDS, REQUIRED

#: The fields of a payload, callbacks apart.
PAYLOAD_FIELDS: Final = tuple(name for name in OWN_FIELDS if name not in ("uuid", "queue"))

#: The defaults of these fields, which a payload leaves out.
PAYLOAD_DEFAULTS: Final = tuple(DEFAULTS[name] for name in PAYLOAD_FIELDS)

#: Returns their values in a message. One call for all of them, since it is made for each message.
payload_values: Final = attrgetter(*PAYLOAD_FIELDS)

#: A mark in the data of a callback: its uuid was chosen by the caller. A message's own payload has none.
NAMED: Final = "named"


def without_defaults(data: Data) -> Data:
    """Return the data of one callback without the fields that are at their default."""
    sparse = {}
    for name, value in data.items():
        default = DEFAULTS.get(name, REQUIRED)
        # Compared by identity where the default is None: a result may be of a type with an `==` of its own.
        if value is not default and (default is None or value != default):
            sparse[name] = value
    return without_equal_times(sparse)


def without_equal_times(sparse: Data) -> Data:
    """Delete `updated_at` from these fields if it equals `created_at`, and return them."""
    if "updated_at" in sparse and sparse["updated_at"] == sparse.get("created_at"):
        del sparse["updated_at"]
    return sparse


def marked(data: Data, named: bool) -> Data:
    """Return the data of a callback, with the mark if its uuid was chosen by the caller."""
    return {**data, NAMED: True} if named else data
