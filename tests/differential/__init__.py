"""Two stores, the same calls: whatever one answers or holds, the other must too."""
