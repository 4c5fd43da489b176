"""Real pools on real stores under fire, and the judge of what became of every message."""
