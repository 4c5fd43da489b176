"""The commands of `alsek`, one module each."""
