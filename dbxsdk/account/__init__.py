"""An account as a book, whatever the venue: ``state`` merges REST snapshots and the stream, ``account`` keeps it current."""
