"""The market behind all local venues: prices, books and candles from a seed."""
