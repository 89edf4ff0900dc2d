"""The engine's contract: what a caller asks, what comes back, and how it fails. Imports no torch.

Text offsets are Python string indexes throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable


class Shape(StrEnum):
    """How much a hole is expected to hold."""

    AUTO = "auto"
    LINE = "line"
    BLOCK = "block"


class Priority(StrEnum):
    """Whether somebody waits for the fill, or it is made in case somebody will."""

    FOREGROUND = "foreground"
    SPECULATIVE = "speculative"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text from elsewhere (an open file, a recent edit) that the model may read."""

    text: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A text for the hole that stands elsewhere in the workspace: a candidate beside the engine's
    own. `match` counts the characters around the gap that agree there, `times` the files in which
    it stands."""

    text: str
    match: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a hole may hold, and nothing else, said in one of three ways.

    `choices`: one of these texts. `schema`: JSON that a JSON schema, given as its text, describes
    (engine/constraint/schema.py). `grammar`: a text of the rule `root` of a grammar in GBNF
    (engine/constraint/grammar.py). Raises BadRequest unless exactly one of them is given.
    """

    choices: tuple[str, ...] = ()
    schema: str | None = None
    grammar: str | None = None

    def __post_init__(self) -> None:
        given = bool(self.choices), self.schema is not None, self.grammar is not None
        if sum(given) != 1:
            raise BadRequest("a constraint has choices, a schema or a grammar: give one of them")


NUMBER = Constraint(
    grammar='root ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [+-]? [0-9]{1,3})?'
)
IDENTIFIER = Constraint(grammar="root ::= [A-Za-z_] [A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FillRequest:
    """A text with `n` holes, given as the `n + 1` texts around them.

    The model may read `context`, of which the farthest and most stable comes first; `proposals` are
    for a single hole, and are only ranked. `max_tokens` bounds each hole, `steps` caps the
    denoising steps, `candidates` the canvases tried side by side; None leaves the choice to the
    model's profile. `draft` gives the text that each hole starts from. `constraint` has, for each
    hole, what it may hold, None for anything; it is obeyed, or the fill fails. Raises BadRequest
    when a field cannot mean anything.
    """

    texts: tuple[str, ...]
    language: str | None = None
    path: str | None = None
    shape: Shape = Shape.AUTO
    context: tuple[Snippet, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    max_tokens: int = 64
    steps: int | None = None
    candidates: int | None = None
    draft: tuple[str, ...] | None = None
    constraint: tuple[Constraint | None, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.texts) < 2:
            raise BadRequest("a request needs at least one hole: give the text on both sides of it")
        if self.max_tokens < 1:
            raise BadRequest(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.steps is not None and self.steps < 1:
            raise BadRequest(f"steps must be at least 1, not {self.steps}")
        if self.candidates is not None and self.candidates < 1:
            raise BadRequest(f"candidates must be at least 1, not {self.candidates}")
        if self.draft is not None and len(self.draft) != self.holes:
            raise BadRequest(f"{self.holes} holes need {self.holes} drafts, not {len(self.draft)}")
        if self.constraint is not None and len(self.constraint) != self.holes:
            raise BadRequest(
                f"{self.holes} holes need {self.holes} constraints, not {len(self.constraint)}"
            )

    @property
    def holes(self) -> int:
        return len(self.texts) - 1

    @property
    def constraints(self) -> tuple[Constraint | None, ...]:
        """One for each hole, None for a hole that may hold anything."""
        return self.constraint or (None,) * self.holes


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of a draft's hole, and the model's confidence in them, 0..1."""

    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Draft:
    """The leading candidate after one denoising step: one text per hole, spans per hole."""

    texts: tuple[str, ...]
    step: int
    of: int
    confidence: tuple[tuple[Span, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """A candidate that was tried: its texts, the score it was ranked by (higher is better), and the
    probability, 0..1, that all of them are exactly right: its own, not that of the best."""

    texts: tuple[str, ...]
    score: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Fill:
    """The best candidate. `alternatives` holds every distinct candidate, best first, itself too."""

    texts: tuple[str, ...]
    confidence: float
    steps: int
    canvas_tokens: int
    seconds: float
    alternatives: tuple[Alternative, ...] = field(default=())

    @property
    def candidates(self) -> dict[tuple[str, ...], float]:
        """Every distinct candidate and its confidence, the best first; `texts` at least."""
        found = {self.texts: self.confidence}
        for each in self.alternatives:
            found.setdefault(each.texts, each.confidence)
        return found


Calibration = Literal["calibrated", "not calibrated", "unknown"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What serves: shown in `--json`, status lines and logs.

    Where there are several ways to ask (engine/remote), `way` names the one that is taken, `why`
    is what speaks for it and `better` what would be better; "" else. What a fill's confidence
    is worth: "calibrated" is how often such a fill is right, "not calibrated" only tells a likelier
    fill from another, "unknown" is 1 for want of any probability.
    """

    model: str
    device: str
    way: str = ""
    why: str = ""
    better: str = ""
    confidence: Calibration = "calibrated"


OnDraft = Callable[[Draft], None]
IsCancelled = Callable[[], bool]


class Engine(Protocol):
    """Anything that fills holes: the model in this process, the host, a remote server."""

    @property
    def info(self) -> EngineInfo: ...

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        """Fill every hole of `request`.

        `on_draft` sees the leading candidate after each step; `cancelled` is asked before each
        step and, once true, ends the work with Cancelled. Requests of one `window` follow each
        other closely: what is kept of the last one serves the next. Raises an EngineError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """One fill among others, in the words of `Engine.fill`; `end` hears how it ended."""

    request: FillRequest
    end: Callable[[Fill | BaseException], None]
    on_draft: OnDraft | None = None
    cancelled: IsCancelled | None = None
    window: str = ""


@runtime_checkable
class SharingEngine(Engine, Protocol):
    """An engine that fills up to `room` requests at a time, their steps done as one batch."""

    @property
    def room(self) -> int: ...

    def fill_together(self, join: Callable[[], Share | None]) -> None:
        """Fill what `join` gives, until it has nothing more and everything has ended.

        `join` is asked before every step while there is room. Each share's `end` is called once,
        as soon as it ends, on the caller's thread.
        """
        ...


@runtime_checkable
class ConcurrentEngine(Engine, Protocol):
    """An engine whose `fill` may be called on several threads at once: what it waits for is not
    this machine's. Up to `at_once` of them, `per_window` for one window, so that some are left for
    the others."""

    @property
    def at_once(self) -> int: ...

    @property
    def per_window(self) -> int: ...


class EngineError(Exception):
    """A fill that did not happen. The message names the cause and the fix."""

    kind = "engine_error"


class BadRequest(EngineError):
    """The request cannot be understood or does not fit the model."""

    kind = "bad_request"


class CannotConstrain(BadRequest):
    """What serves cannot keep a fill to a constraint. Without one it fills."""

    kind = "cannot_constrain"


class Cancelled(EngineError):
    """The caller asked for the work to stop, and it has."""

    kind = "cancelled"


class ModelMissing(EngineError):
    """The model's files are not here or cannot be used."""

    kind = "model_missing"


class OutOfMemory(EngineError):
    """The device has too little memory for this request."""

    kind = "out_of_memory"


class HostLost(EngineError):
    """The process that owns the model has gone or does not answer."""

    kind = "host_lost"
