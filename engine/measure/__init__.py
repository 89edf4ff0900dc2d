"""How fast the engine is on this machine, how fast it could be, and what is wrong with it."""
