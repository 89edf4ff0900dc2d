"""The one process per user and machine that owns the model, and how it is found.

`python -m engine.host` is the process. Clients do not import it: they meet it at its address.

    address   the private folder where hosts are met, and what a host is called
    channel   the socket, and the proof that both ends belong to one user
    lock      one winner where several start at once
    find      finds or starts a host, for a client
    pulse     whether a silent host still lives
    greeting  their first words to each other
    service   clients in, answers out: the process's event loop
    client    a connection, from the service's side
    schedule  which fill is next
    worker    the thread that has the model
    habits    when the host ends, and when it lets its model go
    log       what it has to say
    neighbours  the user's other hosts: who they are, asking them to leave
"""
