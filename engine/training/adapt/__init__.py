"""A causal base learns to fill: canvases behind its clean prefix, its own causal pass kept."""
