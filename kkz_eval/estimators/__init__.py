"""Cells in, estimates and influence functions out: one file per estimator, and the registry that names them.

What does not belong here: standard errors, bands and p-values (kkz_eval.inference), reading of data, SQL.
"""
