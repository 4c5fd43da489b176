"""``alsek dead``: list, show, replay and delete dead letters."""
