-- One row per source, unit and year: rows delivered and children examined against children expected, small numbers suppressed.
--
-- key: source, unit, year
--
-- source          text    school_entry_exam, kita_attendance, education, or official series
-- unit            id      unit of evaluation, or 'all'
-- year            year    entry year, Kita year, school year or calendar year
-- n_files         number  files delivered; only known for all units together
-- n_delivered     count   rows delivered
-- n_accepted      count   rows accepted
-- n_quarantined   number  lines in quarantine; lines whose municipality cannot be read are counted under 'all' only
-- n_expected      count   children expected (register of residents)
-- n_regions       number  Kreise with a figure, for an official series
-- n_regions_expected  number  Kreise there are
-- share_examined  share   accepted / expected; for an official series Kreise with a figure / Kreise
-- status          text    released, suppressed, share suppressed (few children not examined), or nothing delivered
--
-- A deferred child is examined in two years and counts in both here, because the register expects it in both.
WITH accepted_row AS (
    SELECT delivery_id, 'school_entry_exam' AS source, ags FROM intake.school_entry_exam
    UNION ALL
    SELECT delivery_id, 'kita_attendance' AS source, ags FROM intake.kita_attendance
    UNION ALL
    SELECT delivery_id, 'education' AS source, ags FROM intake.education
),

counted AS (
    SELECT intake.delivery.source, accepted_row.ags, intake.delivery.year, COUNT(*) AS n_accepted, 0 AS n_quarantined
    FROM accepted_row
    INNER JOIN intake.delivery ON intake.delivery.delivery_id = accepted_row.delivery_id
    WHERE intake.delivery.is_active
    GROUP BY intake.delivery.source, accepted_row.ags, intake.delivery.year
    UNION ALL
    SELECT intake.delivery.source, intake.quarantine.ags, intake.delivery.year, 0 AS n_accepted, COUNT(*) AS n_quarantined
    FROM intake.quarantine
    INNER JOIN intake.delivery ON intake.delivery.delivery_id = intake.quarantine.delivery_id
    WHERE intake.delivery.is_active AND intake.delivery.source IN ('school_entry_exam', 'kita_attendance', 'education')
    GROUP BY intake.delivery.source, intake.quarantine.ags, intake.delivery.year
),

placed AS (
    SELECT
        counted.source,
        CASE WHEN plan.study.unit = 'ags' THEN reference.gemeinde.ags ELSE reference.gemeinde.kreis END AS unit,
        counted.year,
        counted.n_accepted,
        counted.n_quarantined
    FROM counted
    CROSS JOIN plan.study
    LEFT JOIN reference.gemeinde ON reference.gemeinde.ags = counted.ags
),

expected AS (
    SELECT
        CASE WHEN plan.study.unit = 'ags' THEN reference.gemeinde.ags ELSE reference.gemeinde.kreis END AS unit,
        staging.registered_children.period AS year,
        SUM(staging.registered_children.n_children) AS n_expected
    FROM staging.registered_children
    CROSS JOIN plan.study
    INNER JOIN reference.gemeinde ON reference.gemeinde.ags = staging.registered_children.ags
    GROUP BY 1, staging.registered_children.period
),

unit_count AS (
    SELECT source, unit, year, SUM(n_accepted) AS n_accepted, SUM(n_quarantined) AS n_quarantined
    FROM placed
    WHERE unit IS NOT NULL
    GROUP BY source, unit, year
),

source_count AS (
    SELECT source, year, COUNT(*) AS n_files, SUM(n_accepted) AS n_accepted, SUM(n_quarantined) AS n_quarantined
    FROM intake.delivery
    WHERE is_active AND source IN ('school_entry_exam', 'kita_attendance', 'education')
    GROUP BY source, year
),

-- Places and years in which children were expected and none came must be seen most of all, so both sides are kept.
exam_year AS (
    SELECT
        'school_entry_exam' AS source,
        COALESCE(unit_count.unit, expected.unit) AS unit,
        COALESCE(unit_count.year, expected.year) AS year,
        CAST(NULL AS BIGINT) AS n_files,
        COALESCE(unit_count.n_accepted, 0) AS n_accepted,
        COALESCE(unit_count.n_quarantined, 0) AS n_quarantined,
        expected.n_expected
    FROM (SELECT * FROM unit_count WHERE source = 'school_entry_exam') AS unit_count
    FULL OUTER JOIN expected ON expected.unit = unit_count.unit AND expected.year = unit_count.year
    UNION ALL
    SELECT
        'school_entry_exam' AS source,
        'all' AS unit,
        COALESCE(source_count.year, expected_all.year) AS year,
        COALESCE(source_count.n_files, 0) AS n_files,
        COALESCE(source_count.n_accepted, 0) AS n_accepted,
        COALESCE(source_count.n_quarantined, 0) AS n_quarantined,
        expected_all.n_expected
    FROM (SELECT * FROM source_count WHERE source = 'school_entry_exam') AS source_count
    FULL OUTER JOIN (SELECT year, SUM(n_expected) AS n_expected FROM expected GROUP BY year) AS expected_all
        ON expected_all.year = source_count.year
),

other_year AS (
    SELECT source, unit, year, CAST(NULL AS BIGINT) AS n_files, n_accepted, n_quarantined, CAST(NULL AS BIGINT) AS n_expected
    FROM unit_count
    WHERE source <> 'school_entry_exam'
    UNION ALL
    SELECT source, 'all' AS unit, year, n_files, n_accepted, n_quarantined, CAST(NULL AS BIGINT) AS n_expected
    FROM source_count
    WHERE source <> 'school_entry_exam'
),

-- An official series delivers figures of Kreise, not children: nothing here can be disclosive.
series_year AS (
    SELECT staging.official_count.series, staging.official_count.kreis, staging.official_count.year
    FROM staging.official_count
    UNION ALL
    SELECT staging.official_rate.series, staging.official_rate.kreis, staging.official_rate.year
    FROM staging.official_rate
),

series_count AS (
    SELECT series_year.series, series_year.year, COUNT(*) AS n_regions
    FROM series_year
    INNER JOIN reference.kreis ON reference.kreis.kreis = series_year.kreis
    INNER JOIN plan.outcome ON plan.outcome.outcome = series_year.series
    GROUP BY series_year.series, series_year.year
),

judged AS (
    SELECT
        child_year.*,
        child_year.n_accepted BETWEEN 1 AND plan.study.threshold - 1
            OR COALESCE(child_year.n_expected, 0) BETWEEN 1 AND plan.study.threshold - 1 AS is_small,
        -- A share has two sides: few children not examined hide the share, and with it the number expected.
        COALESCE(child_year.n_expected - child_year.n_accepted, 0) BETWEEN 1 AND plan.study.threshold - 1
            AS is_small_gap,
        -- Few unusable lines of one place could point at a child; of the whole Land they only tell of the files.
        child_year.unit <> 'all' AND child_year.n_quarantined BETWEEN 1 AND plan.study.threshold - 1 AS is_few_lines
    FROM (SELECT * FROM exam_year UNION ALL SELECT * FROM other_year) AS child_year
    CROSS JOIN plan.study
)

SELECT
    source,
    unit,
    year,
    n_files,
    CASE WHEN NOT is_small AND NOT is_few_lines THEN CAST(n_accepted + n_quarantined AS BIGINT) END AS n_delivered,
    CASE WHEN NOT is_small THEN CAST(n_accepted AS BIGINT) END AS n_accepted,
    CASE WHEN NOT is_small AND NOT is_few_lines THEN CAST(n_quarantined AS BIGINT) END AS n_quarantined,
    CASE WHEN NOT (is_small OR is_small_gap) THEN CAST(n_expected AS BIGINT) END AS n_expected,
    CAST(NULL AS BIGINT) AS n_regions,
    CAST(NULL AS BIGINT) AS n_regions_expected,
    CASE WHEN NOT (is_small OR is_small_gap) AND n_expected > 0 THEN CAST(n_accepted AS DOUBLE) / n_expected END
        AS share_examined,
    CASE
        WHEN is_small THEN 'suppressed'
        WHEN is_small_gap THEN 'share suppressed'
        WHEN n_accepted = 0 AND n_quarantined = 0 THEN 'nothing delivered'
        ELSE 'released'
    END AS status
FROM judged
UNION ALL
SELECT
    series AS source,
    'all' AS unit,
    year,
    CAST(NULL AS BIGINT) AS n_files,
    CAST(NULL AS BIGINT) AS n_delivered,
    CAST(NULL AS BIGINT) AS n_accepted,
    CAST(NULL AS BIGINT) AS n_quarantined,
    CAST(NULL AS BIGINT) AS n_expected,
    n_regions,
    (SELECT COUNT(*) FROM reference.kreis) AS n_regions_expected,
    CAST(n_regions AS DOUBLE) / (SELECT COUNT(*) FROM reference.kreis) AS share_examined,
    'released' AS status
FROM series_count
