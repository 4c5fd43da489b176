"""Alsek and its peers, side by side: ``hatch run bench``."""
