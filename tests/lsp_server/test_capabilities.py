"""What is offered in the answer to `initialize` is what is answered afterwards."""

from __future__ import annotations

from lsprotocol import types as t

from lsp_server import capabilities
from lsp_server.answers import ANSWERS
from lsp_server.features.code_actions import PLANS


def test_what_is_offered_is_answered() -> None:
    assert set(ANSWERS) == {*capabilities.REQUESTS, t.WORKSPACE_EXECUTE_COMMAND}


def test_every_code_action_has_a_plan() -> None:
    assert [*PLANS] == [*capabilities.ACTIONS]
