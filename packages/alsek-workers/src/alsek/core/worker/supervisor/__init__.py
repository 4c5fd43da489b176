"""The supervisor of a pool: starts groups, renews their leases, and settles what dead ones held."""
