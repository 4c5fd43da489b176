"""Drivers: how code that is written once, as coroutines, asks a store for synchronous and for asynchronous callers."""
