"""Asynchronous callers: connections of an event loop, and the driver that asks the server over them."""
