"""One file per LSP method: `OPTIONS` for the capability, `answer` for the request."""
