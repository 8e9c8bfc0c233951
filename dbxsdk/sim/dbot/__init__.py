"""DBot's local venue."""
