"""A store in one SQLite file, shared by the processes of one machine.

=================  ====================================================================================
standard.py        ``SQLiteBackend``, which puts the rest together
schema.sql         the tables, and how a message lies in them; lanes.sql: which queues have something ready
connection.py      opening the file; database.py: pool, transactions, forks; faults.py: errors
messages.py        the message port: adding, stepping (finishing, claiming, leases, surveying),
                   handling, browsing; moving.py has the moves they share
board.py           who sleeps and who listens; notify.py tells them; waiter.py, subscription.py
sweeping.py        deleting in passing what has expired
=================  ====================================================================================
"""

from alsek.storage.backends.sqlite.standard import SQLiteBackend

__all__ = ["SQLiteBackend"]
