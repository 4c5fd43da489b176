"""The SQLite file: its connections, transactions, forks and errors."""
