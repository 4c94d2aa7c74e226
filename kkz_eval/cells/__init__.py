"""Rows become cells: counts and sums by outcome, unit and period, from deliveries, data frames and official statistics.

What does not belong here: estimates, and anything that needs a single child after the cell is made.
"""
