"""What a hole may hold, where a request says so (engine.api.Constraint). Imports no torch.

expression   what texts there are: characters, sequences, alternatives, repetitions, rules
grammar      such as a grammar in GBNF, llama.cpp's notation, describes
schema       such as a JSON schema describes
automaton    the same as a deterministic automaton over characters
notation     the same as a grammar in GBNF, for a server

What makes of it which tokens may stand on a canvas is engine/fill/language.py.
"""

from engine.constraint.automaton import Automaton, automaton_of
from engine.constraint.notation import written

__all__ = ["Automaton", "automaton_of", "written"]
