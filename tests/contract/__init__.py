"""The contract: tests that every backend must pass."""
