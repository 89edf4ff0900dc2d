"""What becomes of fills, counted on this machine and told to nobody: `infill-ls stats`."""
