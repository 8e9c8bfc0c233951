"""Django's own secret key, by which sessions and CSRF tokens are signed: made once and kept in a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key


def kept_in(path: Path) -> str:
    """The key in the file, which only this user can read; one is made where there is none."""
    if not path.exists():
        # Several processes may start at once, and all of them need the same key: whoever links first has made it.
        made = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(made, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(get_random_secret_key())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    return path.read_text(encoding="ascii")
