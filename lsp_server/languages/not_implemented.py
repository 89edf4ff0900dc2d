"""How code in every language says, in a string, that it is not there yet."""

_SAYS = r"(?i:not[ _-]?(?:yet[ _-])?implemented|unimplemented|to ?do|implement)"
# A regular expression of a string literal that says so.
QUOTED = "(?:" + "|".join(rf"{q}[^\r\n{q}]*?{_SAYS}[^\r\n{q}]*{q}" for q in "\"'`") + ")"
