"""The session as a pure machine: no threads, no locks, no I/O, no logging, no clock reads.

Whoever drives it calls one method for each thing that happened, and carries out the effects that it leaves. The session
does so with a lock and threads, and the property tests with a model of a venue.
"""
