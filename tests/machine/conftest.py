"""The books' warnings of thousands of runs are of no use to anybody, and those of other tests are."""

from __future__ import annotations

import logging
from typing import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet_books() -> Iterator[None]:
    logger = logging.getLogger("dbxsdk.book.state")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
