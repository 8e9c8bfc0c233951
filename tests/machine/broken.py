"""What is raised where a promise does not hold."""

from __future__ import annotations


class Broken(AssertionError):
    """``promise`` names it, so that a shorter run can be told to break the same one."""

    def __init__(self, promise: str, detail: str) -> None:
        super().__init__(f"{promise}: {detail}")
        self.promise = promise
