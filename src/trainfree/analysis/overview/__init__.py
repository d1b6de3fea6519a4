"""Tables made of other tables: the verdicts counted, and the lines a reader wants first.

They are made last.
"""
