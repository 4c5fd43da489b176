"""Mistakes put into the code, one at a time, and whether the nearest tests notice: ``hatch run mutants``."""
