"""Adjusts group-time effects for covariates, exactly from cells: regression, weighting, doubly robust.

What does not belong here: averages of effects (kkz_eval.estimators.aggregation), inference, reading of data.
"""
