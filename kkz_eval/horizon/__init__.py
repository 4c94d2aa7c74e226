"""When can it be known: exposure, detectability, yearly looks, sensitivity, early signals and cost.

What belongs here: functions of cells, estimates and plain numbers. What does not: files, databases, texts for readers.
"""
