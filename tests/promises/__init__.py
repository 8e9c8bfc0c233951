"""What the session promises its users, each promise with what once broke it.

The tests use what users have, and peers that are scripted on sockets: nothing in them knows how the session is made.
"""
