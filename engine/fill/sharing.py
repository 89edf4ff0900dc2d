"""Fills that share their denoising steps: of several windows that wait, none waits for another.

Each fill runs on a thread of its own, but only one of them at any moment: it goes on until it needs
a step of the model, and then it is the next one's turn. When all of them wait for a step, theirs
are done as one batch (engine/denoise/joint.py). A fill may join at any step, and leaves when it is
done.

How many may share is `room`. On a card the weights are what a step costs, so more canvases come
nearly free. On a CPU a step costs what its canvases cost: of two windows neither gains, of three
the last waits a little less and the others longer (benchmarks/sharing.py), so they take turns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, cast

from torch import Tensor

from engine.api import EngineInfo, Fill, FillRequest, IsCancelled, OnDraft, Share
from engine.denoise.joint import Part, decode_jointly
from engine.fill.infill import LocalEngine
from engine.models.diffusion_gemma import DiffusionGemma

ON_A_CARD = 4


class SharedEngine:
    """`engine` as a SharingEngine. Its methods belong to one thread.

    `room` is how many fills may share; None leaves it to the device.
    """

    def __init__(self, engine: LocalEngine, room: int | None = None) -> None:
        self._engine = engine
        on_card = engine.model.device.type == "cuda"
        self.room = room or (ON_A_CARD if on_card else 1)
        self._threads = ThreadPoolExecutor(self.room, "fill")

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
        if self.room == 1:
            while (share := join()) is not None:
                share.end(self._outcome(share))
            return
        running: list[_Strand] = []
        while True:
            while len(running) < self.room and (share := join()) is not None:
                running.append(_Strand(self._engine, share, self._threads))
            if not running:
                return
            running = [strand for strand in running if strand.reaches_a_step()]
            if running:
                self._step(running)

    def _outcome(self, share: Share) -> Fill | BaseException:
        """Of a fill that takes all its steps itself: there is nobody to share them with."""
        try:
            return self._engine.fill(share.request, share.on_draft, share.cancelled, share.window)
        except BaseException as error:
            return error

    def _step(self, strands: Sequence[_Strand]) -> None:
        """A failure is that of every fill that takes part."""
        outcomes: Sequence[Tensor | BaseException]
        try:
            outcomes = decode_jointly(self._engine.model, [strand.part for strand in strands])
        except BaseException as error:
            outcomes = [error] * len(strands)
        for strand, outcome in zip(strands, outcomes, strict=True):
            strand.outcome = outcome


class _Strand:
    """A fill in stretches: from one step of the model to the next, or to its end.

    `part` is the step it waits for, `outcome` what that gave: it goes on with it.
    """

    def __init__(self, engine: LocalEngine, share: Share, threads: ThreadPoolExecutor) -> None:
        self.part: Part
        self.outcome: Tensor | BaseException | None = None
        self._share = share
        self._turns: SimpleQueue[Tensor | BaseException | None] = SimpleQueue()
        self._steps: SimpleQueue[Part | None] = SimpleQueue()
        # A twin: it has everything in common with `engine` but who takes its steps.
        twin = copy.copy(engine)
        twin.model = cast(DiffusionGemma, _Stepping(engine.model, self._take_step))
        self._filling = threads.submit(self._fill, twin)

    def reaches_a_step(self) -> bool:
        """Let it go on; False when it has ended."""
        self._turns.put(self.outcome)
        part = self._steps.get()
        if part is not None:
            self.part = part
            return True
        self._share.end(self._filling.exception() or self._filling.result())
        return False

    def _fill(self, twin: LocalEngine) -> Fill:
        share = self._share
        self._turns.get()
        try:
            return twin.fill(share.request, share.on_draft, share.cancelled, share.window)
        finally:
            self._steps.put(None)

    def _take_step(self, part: Part) -> Tensor:
        self._steps.put(part)
        outcome = self._turns.get()
        if isinstance(outcome, BaseException):
            raise outcome
        assert outcome is not None
        return outcome


class _Stepping:
    """The model as a strand knows it: steps are asked for, everything else is the model's own."""

    def __init__(self, model: DiffusionGemma, take_step: Callable[[Part], Tensor]) -> None:
        self._model = model
        self._take_step = take_step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(
        self,
        canvas: Tensor,
        cache: Any,
        *,
        self_conditioning: Tensor | None = None,
        places: Tensor,
    ) -> Tensor:
        return self._take_step(Part(canvas, cache, places, self_conditioning))
