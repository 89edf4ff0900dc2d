"""What becomes of fills, counted on this machine and told to nobody: `infill-ls stats`."""

from lsp_server.stats.counters import KEPT_AFTER, Counters, Kind
from lsp_server.stats.stats import Stats
from lsp_server.stats.store import Store, state_folder

__all__ = ["KEPT_AFTER", "Counters", "Kind", "Stats", "Store", "state_folder"]
