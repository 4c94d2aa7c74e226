"""Released tables become files, pictures and one self-contained report per language.

What belongs here: formatting, wording, charts and pages made from released tables alone. What does not: estimates,
suppression, and anything that reads cells or rows of children.
"""
