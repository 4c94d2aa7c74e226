"""What would change the conclusion: one file per kind of threat, each from the main result to rows of one table.

What does not belong here: formulas of bounds or corrections, which the horizon holds.
"""
