"""Recordings of what clients receive and send: made by a ``Recorder``, read back by ``read``.

The file format is documented in ``dbxsdk.recording.format``.
"""

from dbxsdk.errors import RecordingError
from dbxsdk.events import RecordingFailed
from dbxsdk.recording.background_writer import RecorderStats
from dbxsdk.recording.convert import ClientOf, Converted, convert
from dbxsdk.recording.format import Closed, Frame, Header, Lost, NotSent, Opened, Record
from dbxsdk.recording.members import Torn
from dbxsdk.recording.reader import RecordingReader, read
from dbxsdk.recording.recorded_connection import RecordedConnection
from dbxsdk.recording.recorder import Recorder

__all__ = [
    "ClientOf",
    "Closed",
    "Converted",
    "Frame",
    "Header",
    "Lost",
    "NotSent",
    "Opened",
    "Record",
    "RecordedConnection",
    "Recorder",
    "RecorderStats",
    "RecordingError",
    "RecordingFailed",
    "RecordingReader",
    "Torn",
    "convert",
    "read",
]
