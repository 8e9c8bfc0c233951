"""Recordings played again through the real clients: the same callbacks, models and books, at the recorded times."""

from dbxsdk.playback.player import Replay, Replayed, ReplayProgress, replay

__all__ = ["Replay", "ReplayProgress", "Replayed", "replay"]
