"""Partitions: school years, named by the year in which they begin or in which children enter school."""

import dagster as dg

FIRST_YEAR, LAST_YEAR = 1995, 2035

school_years = dg.StaticPartitionsDefinition([str(year) for year in range(FIRST_YEAR, LAST_YEAR + 1)])
