"""One file per LSP method. `capabilities` says what is offered, `answers` who answers it."""
