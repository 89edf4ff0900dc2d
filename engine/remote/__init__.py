"""A model on a server: one that runs on this machine already, or one that a team shares.

Chosen by giving its address for the model, `http(s)://machine:port/v1`, with `#name` behind it
where it serves several models. Nothing is sent anywhere else, and nothing without that. The host
process runs this engine like any other, without torch.

    engine.py      which way the server is asked, and what becomes of its refusals
    runtime.py     what every way has
    vllm.py        a diffusion model on vLLM: both sides of the hole pinned on its canvas
    llama_cpp.py, ollama.py, fim.py
                   fill-in-the-middle: families.py has the tokens, trial.py a gap to try it on
    chat.py        the rest: the file with a mark for the gap, in words

    window.py      how much of a file is shown; shape.py: where a hole is full
    openai.py      answers as pieces of text; writing.py: pieces as drafts and a fill
    served.py      a model on a server, and what it refuses
    server.py, exchange.py, connections.py, refusal.py, key.py
                   addresses, requests and streams, what errors mean, the key
    __main__.py    what a server serves, for `doctor` and by hand
"""

from engine.remote.engine import RemoteEngine, is_address, load_remote

__all__ = ["RemoteEngine", "is_address", "load_remote"]
