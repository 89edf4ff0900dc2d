"""Ask the engine to fill a gap, and wait: as the server does, but for one gap and one person."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

from engine.api import BadRequest, Draft, EngineError, EngineInfo, Fill, FillRequest
from engine.client.connect import HostEngine
from lsp_server.commands.fault import CommandError, engine_fault
from lsp_server.gap import Gap
from lsp_server.secrets import Cleared, Withheld, cleared
from lsp_server.settings import Settings


def request_for(
    gap: Gap,
    *,
    steps: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    names: tuple[str, ...] = (),
    anyway: bool = False,
) -> Cleared:
    """`names`: what else the file is called, a link for one. Raises CommandError, too where the
    text may hold secrets and the user has not said `anyway`."""
    try:
        request = FillRequest(
            texts=gap.sides(),
            language=gap.document.language,
            path=gap.document.path,
            shape=gap.shape,
            max_tokens=Settings().max_tokens if max_tokens is None else max_tokens,
            steps=steps,
            seed=seed,
        )
        return cleared(request, (gap.document.uri, *names), anyway=anyway)
    except Withheld as error:
        raise CommandError(f"{error}: add --anyway if it may be") from error
    except BadRequest as error:
        raise CommandError(str(error)) from error


def ask(
    engine: HostEngine, request: Cleared, on_draft: Callable[[Draft], None] | None = None
) -> tuple[Fill, EngineInfo]:
    """The fill and who made it. Drafts are handed over on this thread; ctrl-c cancels the work."""
    events: SimpleQueue[Draft | None] = SimpleQueue()
    job = request.submit(engine, events.put if on_draft else None)
    job.future.add_done_callback(lambda _: events.put(None))
    try:
        while (draft := _next(events)) is not None:
            if on_draft is not None:
                on_draft(draft)
        return job.future.result(), engine.info
    except EngineError as error:
        raise engine_fault(error) from error
    except BaseException:
        job.cancel()
        raise


def _next(events: SimpleQueue[Draft | None]) -> Draft | None:
    while True:
        try:
            return events.get(timeout=0.2)  # a wait without end would not notice ctrl-c on Windows
        except Empty:
            continue
