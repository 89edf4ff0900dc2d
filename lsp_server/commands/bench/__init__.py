"""`infill-ls bench`: how fast fills are on this machine, told so that it can be pasted."""
