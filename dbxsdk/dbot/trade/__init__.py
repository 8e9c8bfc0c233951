"""DBot's trade socket: trading tasks and their results."""
