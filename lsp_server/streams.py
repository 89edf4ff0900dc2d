"""Stdin and stdout for a protocol alone."""

from __future__ import annotations

import os
import sys


def claim_standard_streams() -> tuple[int, int]:
    """Move stdin and stdout away; returns the new file descriptors to read from and to write to.

    Afterwards what libraries read is empty and what they print goes to stderr, whether they use
    Python's streams or the descriptors. Child processes inherit neither of the two.
    """
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers
