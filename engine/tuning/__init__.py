"""Teaching a model the code of one workspace, on the user's own machine.

    python -m engine.tuning FOLDER < files      what `infill-ls tune` runs

kept      where what was learned lies, and what is told of it; imports no torch
lessons   gaps cut from files, laid out as they are when the model is used
loss      what a lesson asks of a model, and how far off it is
learner   the low-rank weights, their optimiser, and the state that a run goes on from
quiet     whether somebody waits for fills
tune      a run: measure, learn, measure again, keep or drop
"""
