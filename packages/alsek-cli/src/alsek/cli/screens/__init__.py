"""What commands show of a store: tables, sheets and live screens."""
