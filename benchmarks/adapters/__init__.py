"""What runs in the environment of each peer: its tasks, and a producer. Started with this folder as its path."""
