"""Bybit's public sockets: market data."""
