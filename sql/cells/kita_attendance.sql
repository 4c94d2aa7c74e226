-- One row per outcome, Gemeinde, Kita year and stratum: outcomes of Kita attendance.
--
-- key: outcome, ags, period, stratum
--
-- outcome           id     outcome of the plan
-- ags               id     Gemeinde of residence, 8-digit key in today's borders
-- period            year   Kita year
-- stratum           text   all
-- n                 count  children with a known value
-- total             sum    sum of the outcome over these children
-- total_of_squares  sum    sum of its squares
WITH wide AS (
    SELECT
        ags,
        period,
        stratum,
        COUNT(kita_45_hours) AS kita_45_hours_n,
        SUM(CAST(kita_45_hours AS DECIMAL(18, 4))) AS kita_45_hours_total,
        SUM(CAST(kita_45_hours * kita_45_hours AS DECIMAL(18, 8))) AS kita_45_hours_squares,
        COUNT(kita_months) AS kita_months_n,
        SUM(CAST(kita_months AS DECIMAL(18, 4))) AS kita_months_total,
        SUM(CAST(kita_months * kita_months AS DECIMAL(18, 8))) AS kita_months_squares
    FROM staging.kita_attendance
    GROUP BY ags, period, stratum
),

listed AS (
    SELECT outcome
    FROM (
        VALUES
        ('kita_45_hours'),
        ('kita_months')
    ) AS names (outcome)
),

long AS (
    SELECT
        listed.outcome,
        wide.ags,
        wide.period,
        wide.stratum,
        CASE listed.outcome
            WHEN 'kita_45_hours' THEN wide.kita_45_hours_n
            WHEN 'kita_months' THEN wide.kita_months_n
        END AS n,
        CASE listed.outcome
            WHEN 'kita_45_hours' THEN wide.kita_45_hours_total
            WHEN 'kita_months' THEN wide.kita_months_total
        END AS total,
        CASE listed.outcome
            WHEN 'kita_45_hours' THEN wide.kita_45_hours_squares
            WHEN 'kita_months' THEN wide.kita_months_squares
        END AS total_of_squares
    FROM wide
    CROSS JOIN listed
)

SELECT
    outcome,
    ags,
    period,
    stratum,
    CAST(n AS BIGINT) AS n,
    CAST(total AS DECIMAL(18, 4)) AS total,
    CAST(total_of_squares AS DECIMAL(24, 8)) AS total_of_squares
FROM long
WHERE n > 0
