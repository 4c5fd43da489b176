"""The supervisor of a pool: starts groups, renews their leases, and recovers the messages of dead ones."""
