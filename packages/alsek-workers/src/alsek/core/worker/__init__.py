"""Pools of workers: :mod:`alsek.core.worker.thread`, :mod:`alsek.core.worker.process`."""
