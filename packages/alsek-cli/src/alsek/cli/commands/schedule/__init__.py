"""``alsek schedule``: list, show, pause, resume, remove and run schedules."""
