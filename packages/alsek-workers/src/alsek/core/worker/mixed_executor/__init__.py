"""The executor of a thread pool with ``async def`` tasks: threads, and an event loop beside them."""
