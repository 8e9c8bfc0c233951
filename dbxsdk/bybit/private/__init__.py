"""Bybit's private socket: the account's orders, executions, positions and balances."""
