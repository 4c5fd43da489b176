"""Who may see and change what: sessions, tokens, hosts and headers."""
