-- One row per series with numbers of children, Kreis and year in which both numbers are published.
--
-- key: series, kreis, year
--
-- series       text   series of kind share in reference.official_series
-- kreis        id     5-digit key; all Kreise of Germany that the tables hold
-- year         year   year of the series
-- count        count  children with the feature
-- denominator  count  children among whom they are counted
SELECT
    c.series,
    c.kreis,
    c.year,
    CAST(c.total AS BIGINT) AS count,
    CAST(d.total AS BIGINT) AS denominator
FROM staging.official_sum AS c
JOIN staging.official_sum AS d
    ON d.series = c.series
    AND d.kreis = c.kreis
    AND d.year = c.year
    AND d.role = 'denominator'
WHERE c.kind = 'share' AND c.role = 'count'
ORDER BY c.series, c.kreis, c.year
