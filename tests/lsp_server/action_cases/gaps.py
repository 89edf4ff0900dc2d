"""The gap at the cursor, and selections."""

from __future__ import annotations

from tests.lsp_server.action_cases.case import Case, no

GAPS = [
    Case(
        "fill_gap",
        "python",
        "def f(a):\n    return ‸\n",
        "Fill the gap at the cursor in `f`",
        "def f(a):\n    return ▢\n",
        ("a",),
        "def f(a):\n    return a\n",
    ),
    Case(
        "fill_gap",
        "python",
        "x = (‸)\n",
        "Fill the gap at the cursor",
        "x = (▢)\n",
        ("1)",),
        "x = (1)\n",
    ),
    no("fill_gap", "python", "na‸me\n"),
    no("fill_gap", "python", "x = ‸1‸\n"),
    Case(
        "fill_gap",
        "plaintext",
        "Dear ‸,\n",
        "Fill the gap at the cursor",
        "Dear ▢,\n",
        ("Sir",),
        "Dear Sir,\n",
    ),
]


SELECTIONS = [
    Case(
        "rewrite_selection",
        "python",
        "def f(a):\n‸    x = a\n    y = x\n‸    return y\n",
        "Rewrite the selection in `f`",
        "def f(a):\n    ▢\n    return y\n",
        ("y = a",),
        "def f(a):\n    y = a\n    return y\n",
    ),
    Case(
        "rewrite_selection",
        "plaintext",
        "a = ‸b‸ + c\n",
        "Rewrite the selection",
        "a = ▢ + c\n",
        ("z",),
        "a = z + c\n",
    ),
    no("rewrite_selection", "python", "a‸  \n‸b\n"),
    no("rewrite_selection", "python", "a‸ = 1\n"),
]
