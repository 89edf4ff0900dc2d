"""The one process per user and machine that owns the model. `python -m engine.host` is the process.

Clients do not import it: they meet it at its address (engine/client).

    service   clients in, answers out: the process's event loop
    greeting  who may come in, and who it is
    client    a connection, from the service's side
    schedule  which fill is next
    worker    the thread that has the model
    log       what it has to say
"""
