"""Charts made from released tables, each a function that returns an altair chart, and their SVG and PNG bytes.

What belongs here: drawing, scales and colours. What does not: choosing which result stands in front, and sentences.
"""
