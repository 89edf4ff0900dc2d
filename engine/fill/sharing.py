"""Fills that are under way side by side: of several windows that wait, none waits for another.

Each goes on until it asks something of the model. When all of them wait for an answer, the engine's
driver answers them: one pass over the weights for all, or a captured step for each. A fill may join
before any step, and leaves when it is done.

How many may share is `room`. On a card the weights are what a step costs, so more canvases come
nearly free. On a CPU a step costs what its canvases cost: of two windows neither gains, of three
the last waits a little less and the others longer (benchmarks/sharing.py), so they take turns.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.api import EngineInfo, Fill, FillRequest, IsCancelled, OnDraft, Share
from engine.denoise.loop import Answer, Question
from engine.fill.infill import LocalEngine

ON_A_CARD = 4


class SharedEngine:
    """`engine` as a SharingEngine. Its methods belong to one thread.

    `room` is how many fills may share; None leaves it to the device.
    """

    def __init__(self, engine: LocalEngine, room: int | None = None) -> None:
        self._engine = engine
        on_card = engine.model.device.type == "cuda"
        self.room = room or (ON_A_CARD if on_card else 1)

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        return self._engine.fill(request, on_draft, cancelled, window)

    def fill_together(self, join: Callable[[], Share | None]) -> None:
        waiting: list[_Waiting] = []
        while True:
            while len(waiting) < self.room and (share := join()) is not None:
                begun = _Waiting(self._engine, share)
                if begun.goes_on(None):
                    waiting.append(begun)
            if not waiting:
                return
            waiting = self._step(waiting)

    def _step(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """Those that have another question after this one. A failure is that of all who asked."""
        try:
            answers = self._engine.driver.answer([each.question for each in waiting])
        except BaseException as error:
            for each in waiting:
                each.fail(error)
            return []
        pairs = zip(waiting, answers, strict=True)
        return [each for each, answer in pairs if each.goes_on(answer)]


class _Waiting:
    """A fill that waits for the answer to `question`."""

    def __init__(self, engine: LocalEngine, share: Share) -> None:
        self.question: Question
        self._share = share
        self._steps = engine.steps_of(share.request, share.on_draft, share.cancelled, share.window)

    def goes_on(self, answer: Answer | None) -> bool:
        """Let it go on with `answer` (None: from its beginning); False when it has ended."""
        try:
            self.question = next(self._steps) if answer is None else self._steps.send(answer)
        except StopIteration as end:
            self._share.end(end.value)
            return False
        except BaseException as error:
            self._share.end(error)
            return False
        return True

    def fail(self, error: BaseException) -> None:
        self._steps.close()
        self._share.end(error)
