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
-- n_expected      count   children expected (register of residents), or Kreise expected for an official series
-- share_examined  share   accepted / expected
-- status          text    released, suppressed, or share suppressed (few children not examined)
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

unit_year AS (
    SELECT
        placed.source,
        placed.unit,
        placed.year,
        CAST(NULL AS BIGINT) AS n_files,
        SUM(placed.n_accepted) AS n_accepted,
        SUM(placed.n_quarantined) AS n_quarantined,
        MAX(expected.n_expected) AS n_expected
    FROM placed
    LEFT JOIN expected
        ON placed.source = 'school_entry_exam' AND expected.unit = placed.unit AND expected.year = placed.year
    WHERE placed.unit IS NOT NULL
    GROUP BY placed.source, placed.unit, placed.year
),

source_year AS (
    SELECT
        delivered.source,
        'all' AS unit,
        delivered.year,
        delivered.n_files,
        delivered.n_accepted,
        delivered.n_quarantined,
        CASE WHEN delivered.source = 'school_entry_exam' THEN expected_all.n_expected END AS n_expected
    FROM (
        SELECT source, year, COUNT(*) AS n_files, SUM(n_accepted) AS n_accepted, SUM(n_quarantined) AS n_quarantined
        FROM intake.delivery
        WHERE is_active AND source IN ('school_entry_exam', 'kita_attendance', 'education')
        GROUP BY source, year
    ) AS delivered
    LEFT JOIN (SELECT year, SUM(n_expected) AS n_expected FROM expected GROUP BY year) AS expected_all
        ON expected_all.year = delivered.year
),

-- An official series delivers Kreise, not children: how many of the 53 have a figure. Nothing here can be disclosive.
series_year AS (
    SELECT
        staging.official_count.series AS source,
        'all' AS unit,
        staging.official_count.year,
        CAST(NULL AS BIGINT) AS n_files,
        COUNT(*) AS n_accepted,
        0 AS n_quarantined,
        (SELECT COUNT(*) FROM reference.kreis) AS n_expected
    FROM staging.official_count
    INNER JOIN reference.kreis ON reference.kreis.kreis = staging.official_count.kreis
    INNER JOIN plan.outcome ON plan.outcome.outcome = staging.official_count.series
    GROUP BY staging.official_count.series, staging.official_count.year
    UNION ALL
    SELECT
        staging.official_rate.series AS source,
        'all' AS unit,
        staging.official_rate.year,
        CAST(NULL AS BIGINT) AS n_files,
        COUNT(*) AS n_accepted,
        0 AS n_quarantined,
        (SELECT COUNT(*) FROM reference.kreis) AS n_expected
    FROM staging.official_rate
    INNER JOIN reference.kreis ON reference.kreis.kreis = staging.official_rate.kreis
    INNER JOIN plan.outcome ON plan.outcome.outcome = staging.official_rate.series
    GROUP BY staging.official_rate.series, staging.official_rate.year
),

all_rows AS (
    SELECT *, FALSE AS is_public FROM unit_year
    UNION ALL
    SELECT *, FALSE AS is_public FROM source_year
    UNION ALL
    SELECT *, TRUE AS is_public FROM series_year
),

judged AS (
    SELECT
        all_rows.*,
        NOT all_rows.is_public AND (
            all_rows.n_accepted BETWEEN 1 AND plan.study.threshold - 1
            OR COALESCE(all_rows.n_expected, 0) BETWEEN 1 AND plan.study.threshold - 1
        ) AS is_small,
        -- A share has two sides: few children not examined hide the share, and with it the number expected.
        NOT all_rows.is_public
            AND COALESCE(all_rows.n_expected - all_rows.n_accepted, 0) BETWEEN 1 AND plan.study.threshold - 1
            AS is_small_gap,
        -- Few unusable lines of one place could point at a child; of the whole Land they only tell of the files.
        all_rows.unit <> 'all' AND all_rows.n_quarantined BETWEEN 1 AND plan.study.threshold - 1 AS is_few_lines
    FROM all_rows
    CROSS JOIN plan.study
)

SELECT
    judged.source,
    judged.unit,
    judged.year,
    judged.n_files,
    CASE WHEN NOT is_small AND NOT is_few_lines
        THEN CAST(n_accepted + n_quarantined AS BIGINT) END AS n_delivered,
    CASE WHEN NOT is_small THEN CAST(n_accepted AS BIGINT) END AS n_accepted,
    CASE WHEN NOT is_small AND NOT is_few_lines
        THEN CAST(n_quarantined AS BIGINT) END AS n_quarantined,
    CASE WHEN NOT (is_small OR is_small_gap) THEN CAST(n_expected AS BIGINT) END AS n_expected,
    CASE WHEN NOT (is_small OR is_small_gap) AND n_expected > 0 THEN CAST(n_accepted AS DOUBLE) / n_expected END
        AS share_examined,
    CASE WHEN is_small THEN 'suppressed' WHEN is_small_gap THEN 'share suppressed' ELSE 'released' END AS status
FROM judged
