"""A soak of the whole SDK against all local venues: ``python -m tests.soak --minutes N [--seed N] [--json]``.

Clients of every kind live for minutes beside faults, floods, forks, and other clients that come and go. What the venues
sent, were asked and carried out is written down at the venues themselves (``ledger``), and all that clients were told is
held against it: updates (``stream``), requests (``calls``), books and what is left behind (``checks``).
"""
