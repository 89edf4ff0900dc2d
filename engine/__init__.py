"""Text in, text out: the diffusion engine. Knows tokens, models and sampling; knows no LSP."""
