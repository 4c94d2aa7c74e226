"""Dagster's view of the project: each file turns one kind of library thing into assets, checks or commands.

What does not belong here: SQL text, pandas, arithmetic.
"""
