"""A model on a server: one that runs on this machine already, or one that a team shares.

Chosen by giving its address for the model, `http(s)://machine:port/v1`, with `#name` behind it
where it serves several models. Nothing is sent anywhere else, and nothing without that. The host
process runs this engine like any other, without torch.

    engine.py      which way the server is asked, and what becomes of its refusals
    vllm.py        a diffusion model on vLLM: both sides of the hole pinned on its canvas
    chat.py        the rest: the file with a mark for the gap, in words
    runtime.py     what every way has
    served.py, server.py, exchange.py, refusal.py, key.py
                   a model, its server, one HTTP request, what errors mean, the key
    window.py      how much of a file is shown; shape.py: where a hole is full
    openai.py, writing.py
                   answers as pieces of text; pieces as drafts and a fill
"""

from engine.remote.engine import RemoteEngine, is_address, load_remote

__all__ = ["RemoteEngine", "is_address", "load_remote"]
