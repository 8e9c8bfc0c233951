"""Local order books: the book that users hold, its two sides, and the rules by which venues update it."""
