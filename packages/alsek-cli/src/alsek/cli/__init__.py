"""The ``alsek`` command."""
