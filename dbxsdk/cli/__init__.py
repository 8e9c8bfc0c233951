"""The command ``dbxsdk``: one module a subcommand, listed in ``main``."""
