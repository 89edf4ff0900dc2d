"""What the server sends without being asked: drafts, its status, progress, messages."""
