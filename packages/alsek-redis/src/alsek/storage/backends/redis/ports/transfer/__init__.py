"""The transfer port: moves what is in a namespace to another store, and back."""
