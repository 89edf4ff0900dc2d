"""What the code actions do in every language: tables for test_code_actions.py."""

from tests.lsp_server.action_cases.bodies import BODIES
from tests.lsp_server.action_cases.case import Case
from tests.lsp_server.action_cases.docstrings import DOCSTRINGS
from tests.lsp_server.action_cases.gaps import GAPS, SELECTIONS
from tests.lsp_server.action_cases.holes import HOLES
from tests.lsp_server.action_cases.todos import TODOS

ALL = BODIES + HOLES + TODOS + DOCSTRINGS + GAPS + SELECTIONS

__all__ = ["ALL", "Case"]
