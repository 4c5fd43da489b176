"""Examples for type checkers: never run, only checked."""
