"""`infill-ls demo`: what would be offered to somebody who types real files, and three fills."""
