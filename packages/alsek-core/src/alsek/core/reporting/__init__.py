"""Reporting: what a running task tells of its message, and how that reaches the store.

::

    Message.progress, log lines ──► Reporting (one a claim) ──► Reporter (one a session)
                                    keeps what is pending       a thread: at most every 250 ms one call of the store
                                         │                      for all messages
    Message.save ────────────────────────┤
                                         ▼                      at once, in the thread of the caller
                                    the last of it travels with the outcome of the message, in the same step

Nothing of this exists for a message that tells nothing.
"""
