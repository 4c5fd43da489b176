"""Releases: `hatch run release X.Y.Z` sets versions, changelog and tag; `hatch run dist:build` builds all packages."""
