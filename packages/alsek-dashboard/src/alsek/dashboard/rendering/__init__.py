"""Makes HTML of what pages show."""
