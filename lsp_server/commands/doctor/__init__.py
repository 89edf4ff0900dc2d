"""`infill-ls doctor`: looks at everything that a fill passes through, and names what to fix.

A check is a function in one of the modules here, and gives Findings. It loads no model and starts
no host, and has a time after which it is given up.
"""
