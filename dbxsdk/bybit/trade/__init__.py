"""Bybit's order entry socket."""
