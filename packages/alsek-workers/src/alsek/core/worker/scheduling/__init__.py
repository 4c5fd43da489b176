"""Firing the schedules that the store offers to a worker."""
