"""What others wrote, made fit for a log, a terminal, an exception or a page: one printable line of bounded length."""

from __future__ import annotations

from typing import Any

from dbxsdk.credentials import LONGEST_SECRET, redacted

LONGEST = 2000
"""Characters. The SDK's own messages are far shorter, and what a venue has to say stands at the beginning."""


def clean(text: Any, length: int = LONGEST) -> str:
    """Return ``text`` (or ``str`` of it) as one line of at most ``length`` printable characters.

    Blanks and line breaks in a row become one blank. All else that does not print (control and escape characters, marks that
    turn the direction of writing, halves of surrogate pairs) becomes a question mark: it is replaced, not removed, so that no
    word is formed that was not there. What is cut ends in ``...``. Keys, signatures, tokens and proxies' passwords in use become
    ``***``.
    """
    if not isinstance(text, str):
        try:
            text = str(text)
        except Exception:  # decoding goes deeper than repr() does; and a user's own class may do anything
            text = f"<{type(text).__name__}>"
    # Cut first: what a venue wrote may be as long as a message can be. What remains of a secret at the cut goes, too.
    shown = text[: length + 1 + LONGEST_SECRET]
    shown = redacted(shown)[: length + 1 if len(shown) == len(text) else -LONGEST_SECRET]
    line = " ".join(shown[: length + 1].split())
    if not line.isprintable():
        line = "".join(each if each.isprintable() else "?" for each in line)
    return line if len(text) <= length else f"{line[:max(length - 3, 0)]}..."
