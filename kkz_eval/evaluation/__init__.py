"""What a plan asks for becomes rows of results: specifications, the order in which they run, joint statements.

What does not belong here: formulas of estimators or of standard errors.
"""
