"""What becomes of a fill before a user sees it."""
