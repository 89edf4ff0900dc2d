"""Holes of code actions: where the syntax says that something is missing, and how it is filled."""
