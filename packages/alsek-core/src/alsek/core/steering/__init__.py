"""What people do to a store by hand, for the commands and the dashboard alike."""
