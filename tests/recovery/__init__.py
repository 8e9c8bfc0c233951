"""``resolve`` against chaos, with the local venues' own records as the truth: it may not know, but it is never wrong."""
