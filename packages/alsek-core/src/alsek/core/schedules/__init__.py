"""Schedules: tasks that are submitted again and again, by whichever pool runs."""
