"""The subcommands of ``dbxsdk``, a module each."""
