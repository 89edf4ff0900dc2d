"""A machine that a team shares: an OpenAI-compatible server, best a vLLM with DiffusionGemma.

Chosen by giving its address for the model, `http(s)://machine:port/v1`, with `#name` behind it
where it serves several models. Nothing is sent anywhere else, and nothing without that. The host
process runs this engine like any other, without torch.

The shapes are those that vLLM documents. They were tried on a server of our own that speaks them
(tests/engine/remote/test_remote.py), not on a real vLLM.
"""

from engine.remote.fill import RemoteEngine, is_address, load_remote

__all__ = ["RemoteEngine", "is_address", "load_remote"]
