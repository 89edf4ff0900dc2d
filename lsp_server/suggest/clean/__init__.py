"""From the model's text to the buffer's: a pipeline of small pure filters, each logged as it fires.

The filters work on LF text. A filter takes the fill and what is around it and gives the fill to
go on with; "" means there is nothing worth showing. Their order, and most of their rules, are what
other completion engines have learnt: junk, white space, the same line, repetition, scope, brackets,
the lines below, size.
"""

from lsp_server.suggest.clean.around import Around, Filter
from lsp_server.suggest.clean.pipeline import (
    DISPUTABLE,
    PIPELINE,
    Cleaned,
    clean,
    cleaned,
    filtered,
)

__all__ = ["DISPUTABLE", "PIPELINE", "Around", "Cleaned", "Filter", "clean", "cleaned", "filtered"]
