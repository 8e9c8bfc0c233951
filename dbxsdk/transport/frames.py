"""RFC 6455 frames: a server's bytes to whole messages and control frames, and a client's frames to bytes. Pure.

Venues send hundreds of small frames in one read, nearly all of them whole messages. ``FrameReader.read`` cuts those
out of the buffer in one short loop, and everything else (control frames, fragments, faults) leaves that loop. A frame
costs some 0.3 microseconds so; websocket-client's own reader takes three calls into the socket and 10 microseconds
for it, and lets masked frames, fragmented control frames and oversized ones pass.

What is checked: reserved bits and opcodes, masks (a server must not), fragmentation, control frames, close codes and
reasons, the size limit (before the body is there), and the UTF-8 of fragmented text as it comes. The UTF-8 of a whole
text frame is left to the JSON decoder, which reads every byte of it anyway. Lengths that could be written shorter are
accepted: nothing is ambiguous about them.
"""

from __future__ import annotations

import codecs
import os
from typing import Any, List, NamedTuple, Optional, Tuple, Union

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, PROTOCOL_ERROR, INVALID_PAYLOAD, TOO_BIG = 1000, 1002, 1007, 1009

Message = Tuple[bytes, bool]
"""A message's payload, and True if it is binary."""

_WHOLE_TEXT, _WHOLE_BINARY = 0x80 | TEXT, 0x80 | BINARY
_FRAGMENTED = -1  # no first byte of a frame
_from_bytes = int.from_bytes
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class Control(NamedTuple):
    """A control frame."""

    opcode: int
    payload: bytes


class FrameError(Exception):
    """The peer broke the protocol. ``code`` is the close code that says so."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class FrameReader:
    """Cuts one connection's bytes into messages and control frames, however they are split."""

    def __init__(self, max_message_size: int) -> None:
        """``max_message_size`` is in bytes."""
        self._limit = max_message_size
        # The begin of a frame that is not whole yet; joined when all of it is there, not with every piece.
        self._pieces: List[bytes] = []
        self._missing = 0
        self._behind: Optional[Tuple[bytes, int]] = None
        """Bytes that are not looked at yet, behind a control frame: not copied, for there may be another after each."""
        self._fragments: Optional[bytearray] = None
        self._fragments_binary = False
        self._utf8: Any = None
        self.stop: Union[Control, FrameError, None] = None
        """What ended the last ``read`` before the end of the bytes: ``read(b"")`` goes on behind a control frame."""

    def read(self, data: bytes) -> List[Message]:
        """Take ``data`` in. Return the messages that are whole now, up to the first control frame or fault, which
        is then in ``stop``."""
        messages: List[Message] = []
        self.stop = None
        begin = 0
        if self._behind is not None:
            (before, begin), self._behind = self._behind, None
            data, begin = (before[begin:] + data, 0) if data else (before, begin)
        elif self._pieces:
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return messages
            data = b"".join(self._pieces)
            self._pieces = []
        append, limit = messages.append, self._limit
        text, binary = (_WHOLE_TEXT, _WHOLE_BINARY) if self._fragments is None else (_FRAGMENTED, _FRAGMENTED)
        end, missing = len(data), 0
        while begin < end:
            start = begin + 2
            if start > end:
                missing = 1
                break
            first, length = data[begin], data[begin + 1]
            if length >= 126:
                if length == 126:
                    start += 2
                    if start <= end:
                        length = data[start - 2] << 8 | data[start - 1]
                elif length == 127:
                    start += 8
                    if start <= end:
                        length = int.from_bytes(data[start - 8:start], "big")
                else:
                    self.stop = FrameError(PROTOCOL_ERROR, "a masked frame, which only clients may send")
                    return messages
                if start > end:
                    missing = start - end
                    break
            stop = start + length
            if first == text and stop <= end and length <= limit:
                append((data[start:stop], False))
            elif first == binary and stop <= end and length <= limit:
                append((data[start:stop], True))
            else:
                try:
                    self._check(first, length)
                    if stop > end:
                        missing = stop - end
                        break
                    message = self._unusual(first, data[start:stop])
                except FrameError as error:
                    self.stop = error
                    return messages
                if message is not None:
                    append(message)
                if self.stop is not None:
                    begin = stop
                    break
                text, binary = (_WHOLE_TEXT, _WHOLE_BINARY) if self._fragments is None else (_FRAGMENTED, _FRAGMENTED)
            begin = stop
        if begin < end and self.stop is not None:
            self._behind = data, begin
        elif begin < end:
            self._pieces.append(data[begin:])
            self._missing = missing
        return messages

    def _check(self, first: int, length: int) -> None:
        """Validate the frame header."""
        opcode = first & 0x0F
        if first & 0x70:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set, and no extension was agreed on")
        if opcode in (CLOSE, PING, PONG):
            if not first & 0x80:
                raise FrameError(PROTOCOL_ERROR, "a fragmented control frame")
            if length > 125:
                raise FrameError(PROTOCOL_ERROR, f"a control frame of {length} bytes")
            return
        if opcode not in (CONTINUATION, TEXT, BINARY):
            raise FrameError(PROTOCOL_ERROR, f"the reserved opcode {opcode}")
        if (opcode == CONTINUATION) is (self._fragments is None):
            what = "a continuation of no message" if opcode == CONTINUATION else "a new message inside a fragmented one"
            raise FrameError(PROTOCOL_ERROR, what)
        size = length + len(self._fragments or b"")
        if size > self._limit:
            raise FrameError(TOO_BIG, f"a message of {size} bytes; max_message_size is {self._limit}")

    def _unusual(self, first: int, payload: bytes) -> Optional[Message]:
        """Handle a control frame or a fragment; returns the message it completes, if any."""
        opcode, final = first & 0x0F, bool(first & 0x80)
        if opcode in (CLOSE, PING, PONG):
            self.stop = Control(opcode, payload)
            return None
        if opcode != CONTINUATION:  # the first of several: a whole one was cut out in the loop
            self._fragments, self._fragments_binary = bytearray(), opcode == BINARY
            self._utf8 = None if self._fragments_binary else _utf8_decoder()
        assert self._fragments is not None
        self._fragments += payload
        if self._utf8 is not None:
            try:
                self._utf8.decode(payload, final)
            except UnicodeDecodeError as error:
                raise FrameError(INVALID_PAYLOAD, f"text that is not UTF-8: {error.reason}") from error
        if not final:
            return None
        message = bytes(self._fragments), self._fragments_binary
        self._fragments = None
        return message


def read_close(payload: bytes) -> Tuple[Optional[int], str]:
    """Return the code and the reason of a close frame, None if there is no code. Raises ``FrameError``."""
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "a close frame of one byte")
    code = int.from_bytes(payload[:2], "big")
    # 1004 to 1006 and 1015 must not be sent; the others below 1015 are assigned.
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise FrameError(PROTOCOL_ERROR, f"the close code {code}")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise FrameError(INVALID_PAYLOAD, f"a close reason that is not UTF-8: {error.reason}") from error


def encode(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, whole and masked."""
    length = len(payload)
    if length < 126:
        header = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65536:
        header = bytes((0x80 | opcode, 0x80 | 126, length >> 8, length & 0xFF))
    else:
        header = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    mask = os.urandom(4)
    # One long number against another: the fastest exclusive or that Python has.
    mask_value = _from_bytes((mask * (length // 4 + 1))[:length], "little")
    return header + mask + (_from_bytes(payload, "little") ^ mask_value).to_bytes(length, "little")
