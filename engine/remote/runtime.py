"""What every way of asking a server has: the protocol that the modules beside this one keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.api import FillRequest, IsCancelled, OnDraft
from engine.remote.writing import Written


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is asked, in words for its user: `name` of the way, `why` this one, and what
    would be `better` ("" where nothing is)."""

    name: str
    why: str
    better: str = ""


class Runtime(Protocol):
    """A way that this server was found to know. Safe on several threads at once.

    The module of each has a function that finds it: `recognises(served)` gives the runtime, or in
    words why a server that it is for cannot be asked so, or None for another kind of server. It
    raises an EngineError where the server does not answer now.
    """

    @property
    def way(self) -> Way: ...

    @property
    def constrains(self) -> bool:
        """Whether the server keeps a fill to the request's constraint."""
        ...

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        """Fill the one hole of `request`. Raises an EngineError: TooLong where the texts should be
        shorter, BadRequest or ModelMissing where the server does not know this way after all."""
        ...
