"""Bybit's local venue."""
