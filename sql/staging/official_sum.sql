-- One row per series of official statistics, role, Kreis and year: the sum of the figures that make it.
--
-- key: series, role, kreis, year
--
-- series  text  as in reference.official_series
-- kind    text  share, rate or covariate
-- role    text  count, denominator or rate
-- kreis   id    5-digit key; all Kreise of Germany that the table holds
-- year    year  year of the series
-- total   sum   sum of the published figures; a rate is in percent
--
-- Only complete sums: a year is left out when one of its figures is missing, secret or blocked.
-- A figure that came in several deliveries counts once, as in the newest of them.
-- Aachen: the Städteregion (05334) is taken from its own figure; where it has none, because it did not exist yet, counts
-- (never rates) are those of the former Kreis (05354) and of the city (05334002, or 05313 in older tables) together.
WITH ranked AS (
    SELECT
        region_key,
        region_level,
        year,
        table_code,
        characteristics,
        measure,
        value,
        ROW_NUMBER() OVER (
            PARTITION BY region_key, year, table_code, characteristics, measure
            ORDER BY delivery_id DESC, reference_date DESC NULLS LAST, line_no DESC
        ) AS newest_first
    FROM intake.official_figure
    -- A corrected file counts instead of the older one.
    WHERE delivery_id IN (SELECT delivery_id FROM intake.delivery WHERE is_active)
),
figure AS (
    SELECT region_key, region_level, year, table_code, characteristics, measure, value
    FROM ranked
    WHERE newest_first = 1 AND value IS NOT NULL
),
-- The city stands under different keys; where a table holds more than one of them they mean the same children.
aachen_city AS (
    SELECT year, table_code, characteristics, measure, MAX(value) AS value
    FROM figure
    WHERE region_key IN ('05334002', '05313', '05313000')
    GROUP BY year, table_code, characteristics, measure
),
kreis_figure AS (
    SELECT region_key AS kreis, year, table_code, characteristics, measure, value, FALSE AS is_joined
    FROM figure
    WHERE region_level = 'kreis' AND region_key NOT IN ('05354', '05313')
    UNION ALL
    SELECT '05334', rest.year, rest.table_code, rest.characteristics, rest.measure, rest.value + city.value, TRUE
    FROM figure AS rest
    JOIN aachen_city AS city
        ON city.year = rest.year
        AND city.table_code = rest.table_code
        AND city.characteristics = rest.characteristics
        AND city.measure = rest.measure
    LEFT JOIN figure AS whole
        ON whole.region_key = '05334'
        AND whole.year = rest.year
        AND whole.table_code = rest.table_code
        AND whole.characteristics = rest.characteristics
        AND whole.measure = rest.measure
    WHERE rest.region_key = '05354' AND whole.value IS NULL
),
rule AS (
    SELECT *, UNNEST(RANGE(first_offset, last_offset + 1)) AS year_offset
    FROM reference.official_series
),
part AS (
    SELECT r.series, r.kind, r.role, k.kreis, k.year + r.year_offset AS year, k.value
    FROM rule AS r
    JOIN kreis_figure AS k
        ON k.table_code = r.table_code
        AND k.characteristics = r.characteristics
        AND k.measure = r.measure
    WHERE k.year + r.year_offset BETWEEN r.first_year AND r.last_year
        AND NOT (k.is_joined AND r.role = 'rate')
),
summed AS (
    SELECT series, kind, role, kreis, year, SUM(value) AS total, COUNT(*) AS n_parts
    FROM part
    GROUP BY series, kind, role, kreis, year
)
SELECT s.series, s.kind, s.role, s.kreis, CAST(s.year AS INTEGER) AS year, CAST(s.total AS DECIMAL(38, 4)) AS total
FROM summed AS s
WHERE s.n_parts = (
    SELECT COUNT(*)
    FROM rule AS r
    WHERE r.series = s.series AND r.role = s.role AND s.year BETWEEN r.first_year AND r.last_year
)
ORDER BY s.series, s.role, s.kreis, s.year
