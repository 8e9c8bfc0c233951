"""Cryptomus's local venue."""
