"""Influence functions or leave-one-out estimates in, standard errors, intervals, bands and p-values out.

What does not belong here: anything that knows how an estimate was made, or what it means.
"""
