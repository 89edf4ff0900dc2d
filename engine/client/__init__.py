"""The way to the host (engine/host): found or started, greeted, asked. Imports no torch.

connect   the engine.api contract, served by a host: one window
connection  one tie to a host, from its beginning to its end
find      finds or starts a host
address   the private folder where hosts are met, and what a host is called
channel   the socket, and the proof that both ends belong to one user
wire      the contract as JSON
greeting  the first words to a host, and a visit
habits    when a host ends, and when it lets its model go
lock      one winner where several start at once
pulse     whether a silent host still lives
neighbours  the user's hosts: who they are, asking them to leave
"""
