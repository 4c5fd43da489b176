"""A store in one SQLite file, shared by the processes of one machine.

======================  ===============================================================================
standard.py             ``SQLiteBackend``, which puts the rest together
schema.sql              the tables; each addition to it since 0.1.0 is a script beside it
database/               the file: connections, transactions, forks, errors, deleting what has expired
messages/               the message port: a module for each phase of a step, and for each other operation
wakeup/                 which workers sleep and who subscribes, and notifying them through sockets
results.py, statuses.py, locks.py, values.py, channels.py   the other ports
======================  ===============================================================================
"""

from alsek.storage.backends.sqlite.standard import SQLiteBackend

__all__ = ["SQLiteBackend"]
