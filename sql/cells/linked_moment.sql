-- One row per later outcome, unit, entry year and pair of factors: sums of products over the children of the exam.
--
-- key: outcome, unit, period, first_factor, second_factor
--
-- outcome         id     outcome at school for which the plan names outcomes of the exam that may tell of it
-- unit            id     unit of evaluation in which the child lived at the exam: Gemeinde or Kreis, as the plan says
-- period          year   entry year
-- first_factor    text   1, an outcome of the exam that the plan names for this outcome, or y (the outcome at school)
-- second_factor   text   the same factor or one that comes later in the order 1, outcomes of the exam, y
-- n_examined      count  children with all these outcomes of the exam known
-- total_examined  sum    sum of the product over them; empty where a factor is y
-- n_linked        count  of these, children whose outcome at school is known under the same pseudonym
-- total_linked    sum    sum of the product over the latter; 0 for none
--
-- The factor 1 makes counts and plain sums of products: (1, 1) children, (1, y) sum of the outcome, and so on.
-- Left out are units and entry years that estimation does not use for one of the outcomes of the exam. A child counts as
-- linked where estimation uses its unit and entry year for the outcome at school too, and both sources give the same entry
-- year: where they do not, one of them is wrong about the child.
WITH asked AS (
    SELECT
        outcome,
        COUNT(*) AS n_surrogates,
        MAX(CASE WHEN surrogate = 'german_insufficient' THEN 1 ELSE 0 END) AS german_insufficient,
        MAX(CASE WHEN surrogate = 'sopess_flagged' THEN 1 ELSE 0 END) AS sopess_flagged,
        MAX(CASE WHEN surrogate = 'u8_u9_complete' THEN 1 ELSE 0 END) AS u8_u9_complete,
        MAX(CASE WHEN surrogate = 'visuomotor_flagged' THEN 1 ELSE 0 END) AS visuomotor_flagged,
        MAX(CASE WHEN surrogate = 'counting_flagged' THEN 1 ELSE 0 END) AS counting_flagged,
        MAX(CASE WHEN surrogate = 'coordination_flagged' THEN 1 ELSE 0 END) AS coordination_flagged,
        MAX(CASE WHEN surrogate = 'attention_flagged' THEN 1 ELSE 0 END) AS attention_flagged,
        MAX(CASE WHEN surrogate = 'mmr_two_doses' THEN 1 ELSE 0 END) AS mmr_two_doses,
        MAX(CASE WHEN surrogate = 'speech_referral' THEN 1 ELSE 0 END) AS speech_referral,
        MAX(CASE WHEN surrogate = 'bmi' THEN 1 ELSE 0 END) AS bmi,
        MAX(CASE WHEN surrogate = 'hearing_finding' THEN 1 ELSE 0 END) AS hearing_finding,
        MAX(CASE WHEN surrogate = 'height' THEN 1 ELSE 0 END) AS height
    FROM plan.surrogate
    GROUP BY outcome
),

factor AS (
    SELECT outcome, surrogate AS name, position FROM plan.surrogate
    UNION ALL
    SELECT outcome, '1' AS name, 0 AS position FROM asked
    UNION ALL
    SELECT outcome, 'y' AS name, n_surrogates + 1 AS position FROM asked
),

pair AS (
    SELECT first_one.outcome, first_one.name AS first_factor, second_one.name AS second_factor
    FROM factor AS first_one
    INNER JOIN factor AS second_one
        ON second_one.outcome = first_one.outcome AND second_one.position >= first_one.position
),

used AS (
    SELECT outcome, unit, period
    FROM cells.panel
    WHERE is_used
),

examined_cell AS (
    SELECT asked.outcome, used.unit, used.period
    FROM asked
    INNER JOIN plan.surrogate ON plan.surrogate.outcome = asked.outcome
    INNER JOIN used ON used.outcome = plan.surrogate.surrogate
    GROUP BY asked.outcome, used.unit, used.period, asked.n_surrogates
    HAVING COUNT(*) = asked.n_surrogates
),

wanted AS (
    SELECT examined_cell.outcome, examined_cell.unit, examined_cell.period, used.unit IS NOT NULL AS is_due
    FROM examined_cell
    LEFT JOIN used
        ON used.outcome = examined_cell.outcome
        AND used.unit = examined_cell.unit
        AND used.period = examined_cell.period
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

later AS (
    SELECT
        staging.education.pseudonym,
        staging.education.period,
        listed.outcome,
        CASE listed.outcome
            WHEN 'grade_3_low' THEN staging.education.grade_3_low
            WHEN 'gymnasium' THEN staging.education.gymnasium
            WHEN 'grade_repeated' THEN staging.education.grade_repeated
            WHEN 'leaving_without_certificate' THEN staging.education.leaving_without_certificate
        END AS value
    FROM staging.education
    CROSS JOIN listed
),

placed AS (
    SELECT
        CASE WHEN plan.study.unit = 'ags' THEN exam.ags ELSE reference.gemeinde.kreis END AS unit,
        exam.*
    FROM staging.school_entry_exam AS exam
    INNER JOIN reference.gemeinde ON reference.gemeinde.ags = exam.ags
    CROSS JOIN plan.study
),

child AS (
    SELECT
        wanted.outcome,
        placed.unit,
        placed.period,
        placed.german_insufficient,
        placed.sopess_flagged,
        placed.u8_u9_complete,
        placed.visuomotor_flagged,
        placed.counting_flagged,
        placed.coordination_flagged,
        placed.attention_flagged,
        placed.mmr_two_doses,
        placed.speech_referral,
        placed.bmi,
        placed.hearing_finding,
        placed.height,
        CASE WHEN wanted.is_due THEN later.value END AS y
    FROM placed
    INNER JOIN wanted ON wanted.unit = placed.unit AND wanted.period = placed.period
    INNER JOIN asked ON asked.outcome = wanted.outcome
    LEFT JOIN later
        ON later.pseudonym = placed.pseudonym
        AND later.outcome = wanted.outcome
        AND later.period = placed.period
        AND later.value IS NOT NULL
    WHERE
        (asked.german_insufficient = 0 OR placed.german_insufficient IS NOT NULL)
        AND (asked.sopess_flagged = 0 OR placed.sopess_flagged IS NOT NULL)
        AND (asked.u8_u9_complete = 0 OR placed.u8_u9_complete IS NOT NULL)
        AND (asked.visuomotor_flagged = 0 OR placed.visuomotor_flagged IS NOT NULL)
        AND (asked.counting_flagged = 0 OR placed.counting_flagged IS NOT NULL)
        AND (asked.coordination_flagged = 0 OR placed.coordination_flagged IS NOT NULL)
        AND (asked.attention_flagged = 0 OR placed.attention_flagged IS NOT NULL)
        AND (asked.mmr_two_doses = 0 OR placed.mmr_two_doses IS NOT NULL)
        AND (asked.speech_referral = 0 OR placed.speech_referral IS NOT NULL)
        AND (asked.bmi = 0 OR placed.bmi IS NOT NULL)
        AND (asked.hearing_finding = 0 OR placed.hearing_finding IS NOT NULL)
        AND (asked.height = 0 OR placed.height IS NOT NULL)
),

product AS (
    SELECT
        child.outcome,
        child.unit,
        child.period,
        pair.first_factor,
        pair.second_factor,
        child.y,
        CAST(CASE pair.first_factor
            WHEN '1' THEN 1
            WHEN 'y' THEN child.y
            WHEN 'german_insufficient' THEN child.german_insufficient
            WHEN 'sopess_flagged' THEN child.sopess_flagged
            WHEN 'u8_u9_complete' THEN child.u8_u9_complete
            WHEN 'visuomotor_flagged' THEN child.visuomotor_flagged
            WHEN 'counting_flagged' THEN child.counting_flagged
            WHEN 'coordination_flagged' THEN child.coordination_flagged
            WHEN 'attention_flagged' THEN child.attention_flagged
            WHEN 'mmr_two_doses' THEN child.mmr_two_doses
            WHEN 'speech_referral' THEN child.speech_referral
            WHEN 'bmi' THEN child.bmi
            WHEN 'hearing_finding' THEN child.hearing_finding
            WHEN 'height' THEN child.height
        END AS DECIMAL(9, 4)) * CAST(CASE pair.second_factor
            WHEN '1' THEN 1
            WHEN 'y' THEN child.y
            WHEN 'german_insufficient' THEN child.german_insufficient
            WHEN 'sopess_flagged' THEN child.sopess_flagged
            WHEN 'u8_u9_complete' THEN child.u8_u9_complete
            WHEN 'visuomotor_flagged' THEN child.visuomotor_flagged
            WHEN 'counting_flagged' THEN child.counting_flagged
            WHEN 'coordination_flagged' THEN child.coordination_flagged
            WHEN 'attention_flagged' THEN child.attention_flagged
            WHEN 'mmr_two_doses' THEN child.mmr_two_doses
            WHEN 'speech_referral' THEN child.speech_referral
            WHEN 'bmi' THEN child.bmi
            WHEN 'hearing_finding' THEN child.hearing_finding
            WHEN 'height' THEN child.height
        END AS DECIMAL(9, 4)) AS value
    FROM child
    INNER JOIN pair ON pair.outcome = child.outcome
)

SELECT
    outcome,
    unit,
    period,
    first_factor,
    second_factor,
    COUNT(*) AS n_examined,
    CAST(CASE WHEN second_factor <> 'y' THEN SUM(value) END AS DECIMAL(38, 8)) AS total_examined,
    COUNT(y) AS n_linked,
    CAST(SUM(CASE WHEN y IS NOT NULL THEN value ELSE 0 END) AS DECIMAL(38, 8)) AS total_linked
FROM product
GROUP BY outcome, unit, period, first_factor, second_factor
