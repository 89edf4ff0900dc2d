"""Text in, text out: the diffusion engine. Knows tokens, models and sampling; knows no LSP."""

import os

# As in pyproject.toml, which a test compares.
__version__ = "0.1.0"

# Before torch loads: threads that wait for each other spin for some 50 microseconds, not for
# milliseconds, in which on a busy machine the one they wait for would have run.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
