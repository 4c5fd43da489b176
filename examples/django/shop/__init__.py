"""A shop: orders, their confirmations, a report each night."""
