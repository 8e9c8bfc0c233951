"""What commands write to the terminal: lines, a screen, a book's ladder, progress."""
