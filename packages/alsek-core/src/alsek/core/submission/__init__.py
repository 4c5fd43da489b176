"""Making messages and submitting them: what a producer uses."""
