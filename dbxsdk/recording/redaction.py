"""Keeps the keys and tokens of a connection out of its recording."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import Any, Dict, Iterable, List, Optional, Tuple
from urllib.parse import quote

HIDDEN = "***"
_SHORTEST = 4  # what is shorter is no secret, and would blot out half the recording
_LARGEST_INFLATED = 16 * 1024 * 1024
_ZLIB_OR_GZIP = 47


class Secrets:
    """Known secrets, in all spellings of JSON and URLs."""

    def __init__(self, values: Iterable[str]) -> None:
        self._spelled: Tuple[str, ...] = ()
        self._bytes: Tuple[bytes, ...] = ()
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Add secrets. From any thread."""
        spelled: Dict[str, None] = dict.fromkeys(self._spelled)
        for value in values:
            if not isinstance(value, str):
                raise TypeError(f"secrets must hold str, not {type(value).__name__}")
            if len(value) >= _SHORTEST:
                escaped = json.dumps(value)[1:-1]
                # A slash may be escaped in JSON: PHP's encoder, for one, does it.
                for spelling in (value, escaped, escaped.replace("/", "\\/"), quote(value, safe=""), quote(value)):
                    spelled[spelling] = None
        # The longest first: one may be part of another.
        ordered = tuple(sorted(spelled, key=len, reverse=True))
        # Where none of these is, there is no longer one either that has one of them in it.
        shortest = [each for each in ordered if not any(other in each for other in ordered if other != each)]
        self._spelled, self._bytes = ordered, tuple(spelling.encode() for spelling in shortest)

    def learn(self, frame: str) -> None:
        """Add the texts among the parameters of a login frame: the key, and the signature, which a venue may repeat in its
        answers. Numbers are times."""
        try:
            document = json.loads(frame)
        except (ValueError, RecursionError):
            return
        parts = [part for part in document.values() if isinstance(part, (list, dict))] if isinstance(document, dict) else []
        found: List[str] = []
        while parts:
            part = parts.pop()
            if isinstance(part, str):
                found.append(part)
            elif isinstance(part, (list, dict)):
                parts += part.values() if isinstance(part, dict) else part
        self.add(text for text in found if not text.isdigit())

    def __len__(self) -> int:
        return len(self._spelled)

    def hide(self, text: str) -> str:
        """Return ``text`` with asterisks in the place of each secret."""
        for spelling in self._spelled:
            if spelling in text:
                text = text.replace(spelling, HIDDEN)
        return text

    def hide_in(self, document: Any) -> Any:
        """Return a JSON document with the secrets in each of its texts hidden."""
        if isinstance(document, str):
            return self.hide(document)
        if isinstance(document, dict):
            return {key: self.hide_in(value) for key, value in document.items()}
        if isinstance(document, (list, tuple)):
            return [self.hide_in(value) for value in document]
        return document

    def hide_in_frame(self, payload: bytes, is_text: bool) -> Optional[bytes]:
        """Return a frame's payload without secrets: a text's are hidden; of other bytes that hold one, nothing is left (None)."""
        if self:
            if is_text:
                with contextlib.suppress(UnicodeDecodeError):
                    return self.hide(payload.decode()).encode()
            if self.within(payload):
                return None
        return payload

    def plainly_within(self, texts: Iterable[bytes]) -> bool:
        """True if there may be a secret in one of these texts in UTF-8; False if there is none."""
        if not self._bytes:
            return False
        joined = b"".join(texts)
        # Backwards: CPython's search from the end skips more, and takes a quarter of the time of ``in``.
        return any(joined.rfind(spelling) >= 0 for spelling in self._bytes)

    def within(self, payload: bytes) -> bool:
        """True if bytes hold a secret, plainly or compressed. What inflates to more than 16 MiB is taken to hold one."""
        if any(spelling in payload for spelling in self._bytes):
            return True
        inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
        try:
            plain = inflate.decompress(payload, _LARGEST_INFLATED)
        except zlib.error:
            return False
        return bool(inflate.unconsumed_tail) or any(spelling in plain for spelling in self._bytes)
