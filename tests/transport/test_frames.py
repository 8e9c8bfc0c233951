"""Frames cut out of any pieces of bytes, compared with a parser that is slow and easy to check against RFC 6455."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from typing import Any, Iterable, List, Sequence, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbxsdk.transport.frames import Control, FrameError, FrameReader, encode, read_close

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MIB = 1 << 20

Event = Tuple[Any, ...]
"""("text", payload), ("binary", payload), ("control", opcode, payload) or ("fault", close code)."""


# -- the slow parser -----------------------------------------------------------------------------------


class Fault(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NoMoreBytes(Exception):
    pass


class SlowParser:
    """RFC 6455, section 5, byte by byte, each time from the first byte of the stream. Of a server, or of a client.

    Two things are as dbxsdk has them where the RFC leaves a choice: lengths need not be written as shortly as they
    could be, and text in one frame is left to whoever decodes it.
    """

    def __init__(self, data: bytes, limit: int, client: bool = False) -> None:
        self._data = data
        self._position = 0
        self._limit = limit
        self._client = client
        self._message_opcode = 0  # of the fragmented message that is under way; 0: none is
        self._message: List[int] = []
        self._utf8 = Utf8()

    def events(self) -> List[Event]:
        events: List[Event] = []
        try:
            while True:
                events.extend(self._frame())
        except Fault as fault:
            events.append(("fault", fault.code))
        except NoMoreBytes:
            pass
        return events

    def _byte(self) -> int:
        if self._position == len(self._data):
            raise NoMoreBytes
        self._position += 1
        return self._data[self._position - 1]

    def _frame(self) -> List[Event]:
        byte = self._byte()
        fin = byte >= 128
        reserved_bits = byte // 16 % 8
        opcode = byte % 16
        byte = self._byte()
        masked = byte >= 128
        if masked is not self._client:
            raise Fault(1002)  # 5.1: "a client MUST close a connection if it detects a masked frame"
        length = byte % 128
        if length >= 126:
            count, length = (2 if length == 126 else 8), 0
            for _ in range(count):
                length = length * 256 + self._byte()
        mask = [self._byte() for _ in range(4)] if masked else [0, 0, 0, 0]
        # The header is whole: all that it says is judged before one byte of the payload is waited for.
        if reserved_bits:
            raise Fault(1002)
        if opcode >= 8:
            if opcode > 10 or not fin or length > 125:
                raise Fault(1002)
            return [("control", opcode, self._payload(length, mask))]
        if opcode > 2:
            raise Fault(1002)
        if opcode == 0 and not self._message_opcode or opcode != 0 and self._message_opcode:
            raise Fault(1002)
        if len(self._message) + length > self._limit:
            raise Fault(1009)
        payload = self._payload(length, mask)
        if opcode and fin:
            return [("text" if opcode == 1 else "binary", payload)]
        if opcode:
            self._message_opcode = opcode
            self._utf8 = Utf8()
        if self._message_opcode == 1:
            for each in payload:
                self._utf8.take(each)
            if fin:
                self._utf8.end()
        self._message.extend(payload)
        if not fin:
            return []
        event = ("text" if self._message_opcode == 1 else "binary", bytes(self._message))
        self._message_opcode, self._message = 0, []
        return [event]

    def _payload(self, length: int, mask: List[int]) -> bytes:
        if length > len(self._data):
            raise NoMoreBytes  # a length that would fill the memory
        return bytes([self._byte() ^ mask[index % 4] for index in range(length)])


class Utf8:
    """UTF-8 as RFC 3629, section 4, writes it, refused with the first byte that no text goes on with."""

    TAIL = (0x80, 0xBF)

    def __init__(self) -> None:
        self._expected: List[Tuple[int, int]] = []
        self._surrogate = False

    def take(self, byte: int) -> None:
        if self._surrogate:
            raise Fault(1007)
        if self._expected:
            low, high = self._expected.pop(0)
            if (low, high) == (0x80, 0x9F) and 0xA0 <= byte <= 0xBF:
                self._surrogate = True  # Python's own decoder wants to see the third byte before it says no
            elif not low <= byte <= high:
                raise Fault(1007)
        elif byte <= 0x7F:
            pass
        elif 0xC2 <= byte <= 0xDF:
            self._expected = [self.TAIL]
        elif byte == 0xE0:
            self._expected = [(0xA0, 0xBF), self.TAIL]
        elif byte == 0xED:
            self._expected = [(0x80, 0x9F), self.TAIL]
        elif 0xE1 <= byte <= 0xEF:
            self._expected = [self.TAIL, self.TAIL]
        elif byte == 0xF0:
            self._expected = [(0x90, 0xBF), self.TAIL, self.TAIL]
        elif 0xF1 <= byte <= 0xF3:
            self._expected = [self.TAIL, self.TAIL, self.TAIL]
        elif byte == 0xF4:
            self._expected = [(0x80, 0x8F), self.TAIL, self.TAIL]
        else:
            raise Fault(1007)

    def end(self) -> None:
        if self._expected or self._surrogate:
            raise Fault(1007)


def slowly(data: bytes, limit: int = MIB, client: bool = False) -> List[Event]:
    return SlowParser(data, limit, client).events()


# -- the reader under test -----------------------------------------------------------------------------


def take(reader: FrameReader, data: bytes, events: List[Event]) -> bool:
    """Adds what these bytes bring; False after a fault."""
    while True:
        events.extend(("binary" if binary else "text", payload) for payload, binary in reader.read(data))
        if reader.stop is None:
            return True
        if isinstance(reader.stop, FrameError):
            events.append(("fault", reader.stop.code))
            return False
        assert isinstance(reader.stop, Control)
        events.append(("control", reader.stop.opcode, reader.stop.payload))
        data = b""


def read(pieces: Iterable[bytes], limit: int = MIB) -> List[Event]:
    reader = FrameReader(limit)
    events: List[Event] = []
    for piece in pieces:
        if not take(reader, piece, events):
            break
    return events


def cut(data: bytes, places: Sequence[int]) -> List[bytes]:
    ends = [0, *sorted(places), len(data)]
    return [data[begin:end] for begin, end in zip(ends[:-1], ends[1:])]  # noqa: B905 - strict= needs Python 3.10


# -- frames --------------------------------------------------------------------------------------------


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, *, reserved: int = 0, masked: bool = False, form: int = 0
) -> bytes:
    """``form``: how many bytes of extended length are wanted (0, 2, 8); more where the payload needs more."""
    size = len(payload)
    form = max(form, 0 if size < 126 else 2 if size < 65536 else 8)
    header = bytes([fin << 7 | reserved << 4 | opcode, masked << 7 | {0: size, 2: 126, 8: 127}[form]])
    header += size.to_bytes(form, "big") if form else b""
    if masked:
        header += b"\x01\x02\x03\x04"
        payload = bytes(byte ^ (index % 4 + 1) for index, byte in enumerate(payload))
    return header + payload


def in_fragments(opcode: int, pieces: Sequence[bytes], between: bytes = b"") -> bytes:
    frames = [
        frame(CONTINUATION if number else opcode, piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)
    ]
    return between.join(frames)


FIXED = b"".join(
    [
        frame(TEXT, b'{"topic":"x"}'),
        frame(BINARY),
        frame(PING, b"p1"),
        in_fragments(TEXT, [b"gr\xc3", b"", b"\xbc\xc3\x9f", b"!"], frame(PING) + frame(PONG, b"2")),
        frame(TEXT, b"y" * 130),
        frame(BINARY, b"z" * 5, form=8),
        frame(PONG, b"a pong", form=2),
        in_fragments(BINARY, [b"\xff", b"\xfe"]),
        frame(CLOSE, b"\x03\xe8bye"),
    ]
)
FIXED_EVENTS = [
    ("text", b'{"topic":"x"}'),
    ("binary", b""),
    ("control", PING, b"p1"),
    *[("control", PING, b""), ("control", PONG, b"2")] * 3,
    ("text", "gr\u00fc\u00df!".encode()),
    ("text", b"y" * 130),
    ("binary", b"zzzzz"),
    ("control", PONG, b"a pong"),
    ("binary", b"\xff\xfe"),
    ("control", CLOSE, b"\x03\xe8bye"),
]

BAD_TEXT = [b"\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf5", b"a\xff", b"\xc3", b"\xe2\x82"]

forms = st.sampled_from([0, 0, 0, 2, 8])
sizes = st.one_of(st.integers(0, 8), st.integers(120, 130), st.sampled_from([200, 1001]))
texts = st.one_of(
    st.text(max_size=12).map(str.encode),
    st.sampled_from(BAD_TEXT),
    st.sampled_from(BAD_TEXT).map(lambda bad: b"ok" + bad + b"ok"),
)
payloads = st.one_of(texts, st.binary(max_size=12), sizes.map(lambda size: b"x" * size))
controls = st.builds(frame, st.sampled_from([PING, PING, PONG, CLOSE]), st.binary(max_size=6) | st.just(b"c" * 125), form=forms)


@st.composite
def fragmented(draw: Any) -> bytes:
    payload = draw(payloads)
    places = draw(st.lists(st.integers(0, len(payload)), max_size=4))
    between = draw(st.lists(controls, max_size=1))
    return in_fragments(draw(st.sampled_from([TEXT, TEXT, BINARY])), cut(payload, places), b"".join(between))


good = st.one_of(
    st.builds(frame, st.sampled_from([TEXT, BINARY]), payloads, form=forms),
    st.builds(frame, st.sampled_from([TEXT, BINARY]), payloads, form=forms),
    controls,
    fragmented(),
)
odd = st.one_of(
    st.builds(frame, st.integers(0, 15), payloads, st.booleans(), form=forms),
    st.builds(
        frame, st.integers(0, 15), payloads, st.booleans(), reserved=st.integers(0, 7), masked=st.booleans(), form=forms
    ),
    st.binary(min_size=1, max_size=16),
)
streams = st.one_of(
    st.lists(good, max_size=8).map(b"".join),
    st.tuples(st.lists(good, max_size=5), st.lists(odd, max_size=3), st.lists(good, max_size=2)).map(
        lambda parts: b"".join(part for group in parts for part in group)
    ),
)
limits = st.sampled_from([MIB, MIB, MIB, 1000, 126, 5])


# -- the two of them -----------------------------------------------------------------------------------


@given(streams, limits, st.data())
@settings(deadline=None, max_examples=150)
def test_any_stream_in_any_pieces_is_read_as_by_the_slow_parser(stream: bytes, limit: int, data: Any) -> None:
    reader, fed = FrameReader(limit), b""
    events: List[Event] = []
    for piece in cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=8))):
        fed += piece
        goes_on = take(reader, piece, events)
        # After every piece, not only at the end: nothing is told late, and no fault is waited with.
        assert events == slowly(fed, limit)
        if not goes_on:
            break


@given(streams.filter(lambda stream: len(stream) <= 400), limits)
@settings(deadline=None, max_examples=60)
def test_any_stream_byte_by_byte(stream: bytes, limit: int) -> None:
    assert read([stream[at : at + 1] for at in range(len(stream))], limit) == slowly(stream, limit)


@given(st.lists(st.sampled_from(BAD_TEXT) | st.binary(max_size=4) | st.text(max_size=3).map(str.encode), max_size=5))
@settings(deadline=None, max_examples=100)
@example([b"\xed\xa0", b"", b"\x80"])
@example([b"\xf0\x9f", b"\x92", b"\xa9"])
def test_text_in_fragments_is_utf8_or_refused(pieces: List[bytes]) -> None:
    whole = b"".join(pieces)
    stream = in_fragments(TEXT, [*pieces, b""], frame(PING))
    events = read([stream])
    assert events == slowly(stream)
    try:
        whole.decode("utf-8")
    except UnicodeDecodeError:
        assert events[-1] == ("fault", 1007)
    else:
        assert events[-1] == ("text", whole)


# -- splits --------------------------------------------------------------------------------------------


def test_a_fixed_stream_split_at_every_byte() -> None:
    assert slowly(FIXED) == FIXED_EVENTS, "the slow parser itself"
    for place in range(len(FIXED) + 1):
        assert read(cut(FIXED, [place])) == FIXED_EVENTS, place
    for size in range(1, 40):
        assert read(cut(FIXED, range(0, len(FIXED), size))) == FIXED_EVENTS, size


def test_a_short_stream_split_at_every_pair_of_bytes() -> None:
    stream = in_fragments(TEXT, [b"\xc3", b"\xbc"], frame(PING, b"p")) + frame(BINARY, b"b" * 3, form=8) + frame(TEXT, b"t")
    wanted = slowly(stream)
    assert len(wanted) == 4
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert read(cut(stream, [first, second])) == wanted, (first, second)


def test_every_size_split_around_its_header() -> None:
    for size, form in itertools.product([0, 1, 125, 126, 127, 65535, 65536, 65537], [0, 2, 8]):
        payload = b"\x81" * size  # which looks like headers
        stream = frame(BINARY, payload, form=form) + frame(TEXT, b"next")
        for place in [*range(15), len(stream) - 7, len(stream) - 6, len(stream) - 5]:
            events = read(cut(stream, [min(place, len(stream))]))
            assert events == [("binary", payload), ("text", b"next")], (size, form, place)


def test_thousands_of_frames_in_one_read() -> None:
    payloads = [str(number).encode() * (number % 60) for number in range(8000)]
    stream = b"".join(frame(BINARY if number % 7 == 0 else TEXT, payload) for number, payload in enumerate(payloads))
    reader = FrameReader(MIB)
    assert reader.read(stream) == [(payload, number % 7 == 0) for number, payload in enumerate(payloads)]
    assert reader.stop is None
    stream = b"".join(frame(TEXT, b"%d" % number) + frame(PING, b"%d" % number) for number in range(2000))
    wanted: List[Event] = []
    for number in range(2000):
        wanted += [("text", b"%d" % number), ("control", PING, b"%d" % number)]
    assert read([stream]) == wanted


def test_messages_are_told_up_to_a_control_frame_and_then_behind_it() -> None:
    reader = FrameReader(MIB)
    stream = frame(TEXT, b"1") + frame(PING, b"p") + frame(TEXT, b"2") + frame(CLOSE) + frame(TEXT, b"3")[:1]
    assert reader.read(stream) == [(b"1", False)]
    assert reader.stop == Control(PING, b"p")
    assert reader.read(b"") == [(b"2", False)]
    assert reader.stop == Control(CLOSE, b"")
    assert reader.read(b"") == []
    assert reader.stop is None
    assert reader.read(frame(TEXT, b"3")[1:]) == [(b"3", False)]


# -- faults --------------------------------------------------------------------------------------------


def test_reserved_bits_are_refused_in_every_frame() -> None:
    for reserved, opcode, fin in itertools.product(range(1, 8), (TEXT, BINARY, CLOSE, PING, PONG), (True, False)):
        assert read([frame(opcode, b"xx", fin, reserved=reserved)]) == [("fault", 1002)]
    for reserved in range(1, 8):
        inside = frame(TEXT, b"a", False) + frame(CONTINUATION, b"b", reserved=reserved)
        assert read([inside]) == [("fault", 1002)]


def test_every_first_byte_alone() -> None:
    legal = {0x80 | opcode for opcode in (TEXT, BINARY, CLOSE, PING, PONG)} | {TEXT, BINARY}
    for first in range(256):
        events = read([bytes([first, 0])])
        assert (("fault", 1002) in events) is (first not in legal), hex(first)
        assert read([bytes([first, 0x80])]) == [("fault", 1002)], "masked, told before the mask is there"


BROKEN = [
    frame(CONTINUATION, b"x"),
    frame(CONTINUATION, b"x", False),
    frame(TEXT, b"a", False) + frame(TEXT, b"b"),
    frame(TEXT, b"a", False) + frame(BINARY, b"b"),
    frame(TEXT, b"a", False) + frame(TEXT, b"b", False),
    frame(PING, b"x", False),
    frame(CLOSE, b"", False),
    frame(PING, b"x" * 126),
    frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    frame(TEXT, b"a", False) + frame(PONG, b"x" * 65536)[:10],
]


def test_broken_fragments_and_control_frames() -> None:
    before = frame(TEXT, b"good") + in_fragments(TEXT, [b"a", b"b"])
    for stream in BROKEN:
        for places in ([], [len(before)], [len(before) + len(stream) - 1]):
            events = read(cut(before + stream, places))
            assert events == [("text", b"good"), ("text", b"ab"), ("fault", 1002)], stream


def test_a_text_in_fragments_is_refused_at_the_fragment_that_breaks_it() -> None:
    stream = frame(TEXT, b"ok \xc3", False) + frame(PING) + frame(CONTINUATION, b"\xbc\xff", False) + frame(PING)
    assert read([stream]) == [("control", PING, b""), ("fault", 1007)]
    assert read([frame(TEXT, b"\xc3", False) + frame(CONTINUATION)]) == [("fault", 1007)], "it ends inside a character"
    assert read([in_fragments(BINARY, [b"\xff", b"\xc3"])]) == [("binary", b"\xff\xc3")]


def test_a_whole_text_is_left_to_whoever_decodes_it() -> None:
    assert read([frame(TEXT, b"\xff")]) == [("text", b"\xff")]


# -- sizes ---------------------------------------------------------------------------------------------


def test_the_limit_is_enforced_before_the_body_is_there() -> None:
    for limit in (1, 125, 126, 65535, 65536, 16 * MIB):
        for size in (limit + 1, limit + 1000, 1 << 32, (1 << 64) - 1):
            length = size.to_bytes(8, "big")
            assert read([bytes([0x80 | TEXT, 127]) + length], limit) == [("fault", 1009)]
            inside = frame(BINARY, b"", False) + bytes([0x80 | CONTINUATION, 127]) + length
            assert read([inside], limit) == [("fault", 1009)]
        assert read([bytes([0x80 | TEXT, 127]) + limit.to_bytes(8, "big")], limit) == []


def test_the_limit_holds_for_all_fragments_together() -> None:
    three = [frame(TEXT, b"aaaa", False), frame(CONTINUATION, b"bbbb", False), frame(CONTINUATION, b"cc")]
    assert read(three, 10) == [("text", b"aaaabbbbcc")]
    assert read([*three[:2], three[2][:2]], 9) == [("fault", 1009)]
    assert read([b"".join(three) + b"".join(three)], 10) == [("text", b"aaaabbbbcc")] * 2, "each message anew"
    pings = frame(PING, b"x" * 125) * 3
    assert read([three[0] + pings + three[1] + pings + three[2]], 10)[-1] == ("text", b"aaaabbbbcc"), "pings do not count"


def test_a_whole_message_at_the_limit_and_one_byte_beyond() -> None:
    assert read([frame(TEXT, b"x" * 300)], 300) == [("text", b"x" * 300)]
    assert read([frame(TEXT, b"good") + frame(TEXT, b"x" * 301)], 300) == [("text", b"good"), ("fault", 1009)]


@pytest.mark.parametrize("whole", [True, False], ids=["one frame", "fragments"])
def test_a_message_of_16_mib_in_pieces_of_64_kib_takes_little_more_than_itself_twice(whole: bool) -> None:
    payload = random.Random(1).randbytes(65536) * 256
    fragments = [payload] if whole else [payload[at : at + MIB] for at in range(0, len(payload), MIB)]
    stream = in_fragments(BINARY, fragments, frame(PING))
    pieces = [stream[at : at + 65536] for at in range(0, len(stream), 65536)] + [frame(TEXT, b"next")]
    del fragments, stream
    reader = FrameReader(len(payload))
    tracemalloc.start()
    try:
        messages = []
        for piece in pieces:
            messages += reader.read(piece)
            while reader.stop is not None:
                assert isinstance(reader.stop, Control)
                messages += reader.read(b"")
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert messages == [(payload, True), (b"next", False)]
    assert held < 1.1 * len(payload), "nothing but the message itself is kept"
    assert peak < 2.3 * len(payload)


@pytest.mark.timeout(15)
def test_a_message_of_16_mib_in_small_pieces_is_not_joined_with_every_piece() -> None:
    payload = bytes(16 * MIB)
    stream = frame(BINARY, payload)
    # Joining at each of 32,768 reads would copy 270 GB.
    assert read((stream[at : at + 512] for at in range(0, len(stream), 512)), len(payload)) == [("binary", payload)]


@pytest.mark.timeout(15)
def test_three_hundred_thousand_fragments_of_one_byte() -> None:
    count = 300_000
    stream = frame(TEXT, b"a", False) + frame(CONTINUATION, b"b", False) * (count - 2) + frame(CONTINUATION, b"c")
    # Joining at each fragment would copy 45 GB.
    events = read(stream[at : at + 65536] for at in range(0, len(stream), 65536))
    assert events == [("text", b"a" + b"b" * (count - 2) + b"c")]


# -- close frames --------------------------------------------------------------------------------------


def test_every_close_code() -> None:
    # RFC 6455, 7.4, and IANA's registry of WebSocket close codes: 1012 to 1014 were added to it.
    allowed = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    for code in range(65536):
        payload = code.to_bytes(2, "big")
        try:
            assert read_close(payload) == (code, "")
        except FrameError as error:
            assert (code in allowed, error.code) == (False, 1002)
        else:
            assert code in allowed


def test_close_frames_without_a_code() -> None:
    assert read_close(b"") == (None, "")
    for byte in range(256):
        with pytest.raises(FrameError) as caught:
            read_close(bytes([byte]))
        assert caught.value.code == 1002


@given(st.binary(max_size=123) | st.text(max_size=30).map(str.encode) | st.sampled_from(BAD_TEXT))
@settings(deadline=None, max_examples=75)
def test_close_reasons_are_utf8_or_refused(reason: bytes) -> None:
    stream = in_fragments(TEXT, [reason, b""])
    try:
        told = read_close(b"\x03\xe8" + reason)
    except FrameError as error:
        assert [("fault", error.code)] == slowly(stream)
        assert error.code == 1007
    else:
        assert slowly(stream) == [("text", reason)]
        assert told == (1000, reason.decode("utf-8"))


def test_a_bad_code_weighs_more_than_a_bad_reason() -> None:
    with pytest.raises(FrameError) as caught:
        read_close(b"\x03\xed\xff")
    assert caught.value.code == 1002


# -- what we send --------------------------------------------------------------------------------------


@given(st.sampled_from([TEXT, BINARY, PING, PONG, CLOSE]), st.binary(max_size=125))
@settings(deadline=None, max_examples=50)
def test_our_frames_are_read_by_the_slow_parser(opcode: int, payload: bytes) -> None:
    ((*_, read_back),) = slowly(encode(opcode, payload), client=True)
    assert read_back == payload


def test_our_frames_of_every_size_are_whole_and_as_short_as_they_can_be() -> None:
    for size in (0, 1, 2, 3, 4, 5, 125, 126, 127, 65535, 65536, 65537):
        payload = random.Random(size).randbytes(size)
        data = encode(BINARY, payload)
        assert slowly(data, client=True) == [("binary", payload)]
        assert len(data) - size == 4 + (2 if size < 126 else 4 if size < 65536 else 10)


def test_a_frame_of_16_mib_of_ours() -> None:
    payload = random.Random(16).randbytes(65536) * 256
    data = encode(BINARY, payload)
    assert data[:10] == b"\x82\xff" + len(payload).to_bytes(8, "big")
    for place, mask in enumerate(data[10:14]):
        unmask = bytes(byte ^ mask for byte in range(256))
        assert data[14 + place :: 4].translate(unmask) == payload[place::4]


def test_every_frame_has_a_mask_of_its_own() -> None:
    masks = {encode(TEXT, b"the same")[2:6] for _ in range(500)}
    assert len(masks) > 490
    assert all(len({mask[place] for mask in masks}) > 100 for place in range(4))


def test_control_frames_cost_what_they_are_long() -> None:
    """Behind each of them what followed was copied once: seconds for a read full of pings."""
    reader, count = FrameReader(MIB), 131_072
    began = time.process_time()
    assert reader.read(frame(PING) * count + frame(TEXT, b"behind")) == []
    for _ in range(count - 1):
        assert reader.stop is not None and reader.read(b"") == []
    assert reader.read(b"") == [(b"behind", False)] and reader.stop is None
    assert time.process_time() - began < 1.5


def test_what_comes_while_something_waits_behind_a_control_frame() -> None:
    reader = FrameReader(MIB)
    assert reader.read(frame(PING, b"1") + frame(TEXT, b"whole") + frame(TEXT, b"in two")[:4]) == []
    assert reader.read(frame(TEXT, b"in two")[4:]) == [(b"whole", False), (b"in two", False)]
