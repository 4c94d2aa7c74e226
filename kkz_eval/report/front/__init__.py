"""The pages that open the report: one per primary outcome, and one for what the exam says about later outcomes.

What belongs here: reading the tables behind them, and which sentence is said when. What does not: words, pictures.
"""
