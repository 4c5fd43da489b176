"""The transfer port: moves what is in the file to another store, and back."""
