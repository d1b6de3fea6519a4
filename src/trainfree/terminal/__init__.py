"""Commands for people at a terminal: what a run has done, one architecture, two runs, the machine.

They read what the other rooms wrote and write nothing.
"""
