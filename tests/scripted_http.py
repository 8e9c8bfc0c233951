"""Stands in for the network below a REST side: gives scripted answers, one after the other, and keeps what was asked."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest

from dbxsdk import Options
from dbxsdk.transport import http_pool, rest
from dbxsdk.transport.http import HttpAnswer

ORIGIN = "https://rest.example"


class Wires:
    """An answer is an exception, a status with a document, a document, or any of these with headers behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: List[Tuple[str, Dict[str, str]]] = []
        monkeypatch.setattr(http_pool, "HttpSession", self)
        monkeypatch.setattr(rest, "_hosts", {})

    def __call__(self, origin: str, options: Options) -> "Wires":
        assert origin == ORIGIN
        return self

    def close(self) -> None:
        pass

    def get(self, url: str, *, timeout: float, total: float, headers: Dict[str, str]) -> HttpAnswer:
        self.asked.append((url[len(ORIGIN) :], dict(headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, document, *more = answer if isinstance(answer, tuple) else (200, answer)
        return HttpAnswer(status, document, None, more[0] if more else {})
