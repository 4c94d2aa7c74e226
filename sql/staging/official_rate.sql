-- One row per series of published percentages, Kreis and year.
--
-- key: series, kreis, year
--
-- series  text   series of kind rate in reference.official_series
-- kreis   id     5-digit key; all Kreise of Germany that the tables hold
-- year    year   year of the series
-- rate    share  published percentage divided by 100; the number of children behind it is not published
SELECT series, kreis, year, CAST(CAST(total AS DOUBLE) / 100 AS DOUBLE) AS rate
FROM staging.official_sum
WHERE kind = 'rate' AND role = 'rate'
ORDER BY series, kreis, year
