-- One row per outcome, Gemeinde, entry year and stratum: outcomes at school.
--
-- key: outcome, ags, period, stratum
--
-- outcome           id     outcome of the plan
-- ags               id     Gemeinde of residence, 8-digit key in today's borders
-- period            year   entry year
-- stratum           text   all
-- n                 count  children with a known value
-- total             sum    sum of the outcome over these children
-- total_of_squares  sum    sum of its squares
WITH wide AS (
    SELECT
        ags,
        period,
        stratum,
        COUNT(grade_3_low) AS grade_3_low_n,
        SUM(CAST(grade_3_low AS DECIMAL(18, 4))) AS grade_3_low_total,
        SUM(CAST(grade_3_low * grade_3_low AS DECIMAL(18, 8))) AS grade_3_low_squares,
        COUNT(gymnasium) AS gymnasium_n,
        SUM(CAST(gymnasium AS DECIMAL(18, 4))) AS gymnasium_total,
        SUM(CAST(gymnasium * gymnasium AS DECIMAL(18, 8))) AS gymnasium_squares,
        COUNT(grade_repeated) AS grade_repeated_n,
        SUM(CAST(grade_repeated AS DECIMAL(18, 4))) AS grade_repeated_total,
        SUM(CAST(grade_repeated * grade_repeated AS DECIMAL(18, 8))) AS grade_repeated_squares,
        COUNT(leaving_without_certificate) AS leaving_without_certificate_n,
        SUM(CAST(leaving_without_certificate AS DECIMAL(18, 4))) AS leaving_without_certificate_total,
        SUM(CAST(leaving_without_certificate * leaving_without_certificate AS DECIMAL(18, 8))) AS leaving_without_certificate_squares
    FROM staging.education
    GROUP BY ags, period, stratum
),

listed AS (
    SELECT outcome
    FROM (
        VALUES
        ('grade_3_low'),
        ('gymnasium'),
        ('grade_repeated'),
        ('leaving_without_certificate')
    ) AS names (outcome)
),

long AS (
    SELECT
        listed.outcome,
        wide.ags,
        wide.period,
        wide.stratum,
        CASE listed.outcome
            WHEN 'grade_3_low' THEN wide.grade_3_low_n
            WHEN 'gymnasium' THEN wide.gymnasium_n
            WHEN 'grade_repeated' THEN wide.grade_repeated_n
            WHEN 'leaving_without_certificate' THEN wide.leaving_without_certificate_n
        END AS n,
        CASE listed.outcome
            WHEN 'grade_3_low' THEN wide.grade_3_low_total
            WHEN 'gymnasium' THEN wide.gymnasium_total
            WHEN 'grade_repeated' THEN wide.grade_repeated_total
            WHEN 'leaving_without_certificate' THEN wide.leaving_without_certificate_total
        END AS total,
        CASE listed.outcome
            WHEN 'grade_3_low' THEN wide.grade_3_low_squares
            WHEN 'gymnasium' THEN wide.gymnasium_squares
            WHEN 'grade_repeated' THEN wide.grade_repeated_squares
            WHEN 'leaving_without_certificate' THEN wide.leaving_without_certificate_squares
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
