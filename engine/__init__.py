"""Text in, text out: the diffusion engine. Knows tokens, models and sampling; knows no LSP."""

# As in pyproject.toml, which a test compares.
__version__ = "0.1.0"
