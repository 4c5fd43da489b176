"""A namespace over several partitions: each is a complete small store, all of whose keys share one hash tag."""
