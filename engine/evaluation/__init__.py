"""How well a model fills holes, on suites that its user brings. Nothing here ships or fetches data,
and nothing is trained or tuned on it."""
