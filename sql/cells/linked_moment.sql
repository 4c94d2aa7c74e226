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

-- What to sum in each cell. DISTINCT changes nothing; it keeps this small table whole in the plan, so that the many
-- children stream past it once.
wanted AS (
    SELECT DISTINCT
        examined_cell.outcome,
        examined_cell.unit,
        examined_cell.period,
        used.unit IS NOT NULL AS is_due,
        pair.first_factor,
        pair.second_factor,
        asked.german_insufficient = 1 AS needs_german_insufficient,
        asked.sopess_flagged = 1 AS needs_sopess_flagged,
        asked.u8_u9_complete = 1 AS needs_u8_u9_complete,
        asked.visuomotor_flagged = 1 AS needs_visuomotor_flagged,
        asked.counting_flagged = 1 AS needs_counting_flagged,
        asked.coordination_flagged = 1 AS needs_coordination_flagged,
        asked.attention_flagged = 1 AS needs_attention_flagged,
        asked.mmr_two_doses = 1 AS needs_mmr_two_doses,
        asked.speech_referral = 1 AS needs_speech_referral,
        asked.bmi = 1 AS needs_bmi,
        asked.hearing_finding = 1 AS needs_hearing_finding,
        asked.height = 1 AS needs_height
    FROM examined_cell
    INNER JOIN asked ON asked.outcome = examined_cell.outcome
    INNER JOIN pair ON pair.outcome = examined_cell.outcome
    LEFT JOIN used
        ON used.outcome = examined_cell.outcome
        AND used.unit = examined_cell.unit
        AND used.period = examined_cell.period
),

placed AS (
    SELECT
        exam.pseudonym,
        CASE WHEN plan.study.unit = 'ags' THEN exam.ags ELSE reference.gemeinde.kreis END AS unit,
        exam.period,
        exam.german_insufficient,
        exam.sopess_flagged,
        exam.u8_u9_complete,
        exam.visuomotor_flagged,
        exam.counting_flagged,
        exam.coordination_flagged,
        exam.attention_flagged,
        exam.mmr_two_doses,
        exam.speech_referral,
        exam.bmi,
        exam.hearing_finding,
        exam.height
    FROM staging.school_entry_exam AS exam
    INNER JOIN reference.gemeinde ON reference.gemeinde.ags = exam.ags
    CROSS JOIN plan.study
),

-- Every child of the exam, and again with what is known of it at school: one row per stage. Linked before anything is
-- multiplied, because the join holds all children at once.
seen AS (
    SELECT
        placed.*,
        FALSE AS is_linked,
        CAST(NULL AS INTEGER) AS grade_3_low,
        CAST(NULL AS INTEGER) AS gymnasium,
        CAST(NULL AS INTEGER) AS grade_repeated,
        CAST(NULL AS INTEGER) AS leaving_without_certificate
    FROM placed
    UNION ALL
    SELECT
        placed.*,
        TRUE AS is_linked,
        staging.education.grade_3_low,
        staging.education.gymnasium,
        staging.education.grade_repeated,
        staging.education.leaving_without_certificate
    FROM placed
    INNER JOIN staging.education
        ON staging.education.pseudonym = placed.pseudonym AND staging.education.period = placed.period
),

child AS (
    SELECT
        wanted.outcome,
        seen.unit,
        seen.period,
        wanted.first_factor,
        wanted.second_factor,
        seen.is_linked,
        seen.german_insufficient,
        seen.sopess_flagged,
        seen.u8_u9_complete,
        seen.visuomotor_flagged,
        seen.counting_flagged,
        seen.coordination_flagged,
        seen.attention_flagged,
        seen.mmr_two_doses,
        seen.speech_referral,
        seen.bmi,
        seen.hearing_finding,
        seen.height,
        CASE wanted.outcome
            WHEN 'grade_3_low' THEN seen.grade_3_low
            WHEN 'gymnasium' THEN seen.gymnasium
            WHEN 'grade_repeated' THEN seen.grade_repeated
            WHEN 'leaving_without_certificate' THEN seen.leaving_without_certificate
        END AS y
    FROM seen
    INNER JOIN wanted ON wanted.unit = seen.unit AND wanted.period = seen.period
    WHERE
        (wanted.is_due OR NOT seen.is_linked)
        AND (seen.german_insufficient IS NOT NULL OR NOT wanted.needs_german_insufficient)
        AND (seen.sopess_flagged IS NOT NULL OR NOT wanted.needs_sopess_flagged)
        AND (seen.u8_u9_complete IS NOT NULL OR NOT wanted.needs_u8_u9_complete)
        AND (seen.visuomotor_flagged IS NOT NULL OR NOT wanted.needs_visuomotor_flagged)
        AND (seen.counting_flagged IS NOT NULL OR NOT wanted.needs_counting_flagged)
        AND (seen.coordination_flagged IS NOT NULL OR NOT wanted.needs_coordination_flagged)
        AND (seen.attention_flagged IS NOT NULL OR NOT wanted.needs_attention_flagged)
        AND (seen.mmr_two_doses IS NOT NULL OR NOT wanted.needs_mmr_two_doses)
        AND (seen.speech_referral IS NOT NULL OR NOT wanted.needs_speech_referral)
        AND (seen.bmi IS NOT NULL OR NOT wanted.needs_bmi)
        AND (seen.hearing_finding IS NOT NULL OR NOT wanted.needs_hearing_finding)
        AND (seen.height IS NOT NULL OR NOT wanted.needs_height)
),

product AS (
    SELECT
        child.outcome,
        child.unit,
        child.period,
        child.first_factor,
        child.second_factor,
        child.is_linked,
        CAST(CASE child.first_factor
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
        END AS DECIMAL(9, 4)) * CAST(CASE child.second_factor
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
    WHERE child.y IS NOT NULL OR NOT child.is_linked
)

SELECT
    outcome,
    unit,
    period,
    first_factor,
    second_factor,
    CAST(SUM(CASE WHEN is_linked THEN 0 ELSE 1 END) AS BIGINT) AS n_examined,
    CAST(SUM(CASE WHEN NOT is_linked THEN value END) AS DECIMAL(38, 8)) AS total_examined,
    CAST(SUM(CASE WHEN is_linked THEN 1 ELSE 0 END) AS BIGINT) AS n_linked,
    CAST(SUM(CASE WHEN is_linked THEN value ELSE 0 END) AS DECIMAL(38, 8)) AS total_linked
FROM product
GROUP BY outcome, unit, period, first_factor, second_factor
