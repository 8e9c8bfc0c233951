"""The skew between this machine's clock and a venue's: measured from an answer that has the venue's time, and described."""

from __future__ import annotations

from typing import Optional, Tuple

from dbxsdk.errors import AuthError


def bounds(venue_ms: float, unit_ms: float, asked_ms: float, answered_ms: float) -> Tuple[float, float]:
    """Return the bounds of the venue's clock minus this machine's. The venue said ``venue_ms``, in whole units of
    ``unit_ms``: at some moment between the question and the answer its clock showed that, or up to a unit more."""
    return venue_ms - answered_ms, venue_ms + unit_ms - asked_ms


def middle(low: float, high: float) -> float:
    """Return the middle of these bounds; 0 if they allow that the clocks agree."""
    return 0.0 if low <= 0 <= high else (low + high) / 2


def amount(skew_ms: float) -> str:
    """Return ``5.0 s behind the venue's``, for a difference of the venue's clock minus this machine's."""
    return f"{abs(skew_ms) / 1000:,.1f} s {'behind' if skew_ms > 0 else 'ahead of'} the venue's"


def in_words(skew_ms: Optional[float], notable_ms: float) -> str:
    """Return the same as the beginning of a sentence. None: it could not be measured."""
    if skew_ms is None:
        return "the venue's clock could not be measured"
    if abs(skew_ms) < notable_ms:
        return "this machine's clock agrees with the venue's"
    return f"this machine's clock is {amount(skew_ms)}"


def explained(refusal: AuthError, skew_ms: Optional[float], notable_ms: float, check: str) -> AuthError:
    """Return the error for a login that was refused although the venue's time was asked for, with what is known of the
    clocks. ``check`` names what else may be wrong, such as ``"the key and the secret"``."""
    hint = in_words(skew_ms, notable_ms)
    if skew_ms is None:
        hint += f": check this machine's clock, {check}"
    elif abs(skew_ms) < notable_ms:
        hint += f": check {check}"
    else:
        hint += f", and its own time was refused, too: set this machine's clock, and check {check}"
    return AuthError(f"{refusal.message} ({hint})", code=refusal.code, reply=refusal.reply)
