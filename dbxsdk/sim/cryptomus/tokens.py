"""The local Cryptomus venue's one-time tokens."""

from __future__ import annotations

import secrets
from typing import Dict, List


class Tokens:
    """Tokens that are good for one connection, for ``life`` seconds. The venue's lock guards it."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._good_until: Dict[str, float] = {}
        self.issued: List[str] = []
        self.used: List[str] = []

    def issue(self, now: float) -> str:
        token = secrets.token_hex(32)
        self._good_until[token] = now + self._life
        self.issued.append(token)
        return token

    def use(self, token: str, now: float) -> bool:
        """Use up ``token``. True if it was good."""
        if self._good_until.pop(token, now) <= now:
            return False
        self.used.append(token)
        return True

    def expire(self) -> int:
        """End the tokens that were not used yet; return how many."""
        count = len(self._good_until)
        self._good_until.clear()
        return count
