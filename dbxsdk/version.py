"""The package's version, for itself and for what it writes."""

__version__ = "0.2.0"
