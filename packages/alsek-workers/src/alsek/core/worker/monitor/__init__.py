"""The monitor: one process of a pool that serves its metrics and its health over HTTP."""
