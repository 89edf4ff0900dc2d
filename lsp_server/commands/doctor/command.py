"""The command: runs the checks, prints what they found, and exits with what that means."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from lsp_server.commands.console import terminal
from lsp_server.commands.doctor.examination import checks, examine
from lsp_server.commands.doctor.finding import Finding, State
from lsp_server.commands.fault import FAILED, visible
from lsp_server.commands.options import Device, Model

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "red"}
WIDEST_STATE = max(map(len, State))
WIDEST_NAME = len("environment")


def command(
    model: Model = "embedded",
    device: Device = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of the models that were pulled.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at everything that a fill passes through, and say what to fix.

    Each line is ok, a warning (fills come, but not as they could) or wrong (none comes). The exit
    status is 1 where something is wrong. No model is loaded, and nothing leaves this machine;
    where the model is the address of a server, that is asked what it serves.
    """
    findings = []
    console = terminal()
    for finding in examine(checks(model, device, verify)):
        findings.append(finding)
        if not as_json:
            console.print(in_words(finding), soft_wrap=True)
    state = worst(findings)
    if as_json:
        print(json.dumps({"state": state, "findings": [asdict(each) for each in findings]}))
    if state is State.WRONG:
        raise typer.Exit(FAILED)


def worst(findings: list[Finding]) -> State:
    states = list(State)
    return max((finding.state for finding in findings), key=states.index, default=State.OK)


def in_words(finding: Finding) -> Text:
    """One line, and a second one where something is to be fixed."""
    line = Text.assemble(
        (f"{finding.state:<{WIDEST_STATE}}", COLOURS[finding.state]),
        f"  {finding.name:<{WIDEST_NAME}}  {visible(finding.message)}",
    )
    if finding.fix:
        indent = WIDEST_STATE + WIDEST_NAME + 4
        line.append(f"\n{'':{indent}}fix: {visible(finding.fix)}", "bold")
    return line
