"""What `infill-ls` does in a terminal. Only `app` and what it imports may load typer and rich."""
