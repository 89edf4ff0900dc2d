"""Work on tensors that never move, recorded once and replayed: a CUDA graph.

Where there is no card the same work is called again. Like a graph it is given nothing: what is not
in its tensors is as it was when it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Recording:
    """`work` reads and writes tensors alone, of which `state` are those that it changes and reads
    again. Recording it leaves them as they were."""

    def __init__(self, work: Callable[[], None], state: Sequence[Tensor]) -> None:
        self._work = work
        self._graph: torch.cuda.CUDAGraph | None = None
        if state[0].device.type == "cuda":
            self._graph = self._capture(state)

    def replay(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._work()

    def _capture(self, state: Sequence[Tensor]) -> torch.cuda.CUDAGraph:
        # Warming up compiles the kernels; what it did to the state is undone.
        before = [each.clone() for each in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._work()
        for each, was in zip(state, before, strict=True):
            each.copy_(was)
        return graph
