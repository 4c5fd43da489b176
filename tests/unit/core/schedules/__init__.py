"""alsek-core by itself, on a store in plain dicts."""
