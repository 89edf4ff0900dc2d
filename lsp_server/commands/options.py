"""Options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(metavar="NAME-or-folder", help="The model: a name, or a folder that holds one."),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1, ...: the best at hand if not given."),
]
Steps = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Denoise at most N steps: fewer is faster.")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Same seed, same fill.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The longest fill, in tokens.")
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Give the model text of files that may hold secrets, too."),
]
Factory = Annotated[str | None, typer.Option(hidden=True)]
