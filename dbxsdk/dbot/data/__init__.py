"""DBot's data socket: market data."""
