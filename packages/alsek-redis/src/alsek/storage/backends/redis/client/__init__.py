"""The connection to Redis: addresses, calls, scripts and errors."""
