-- One row per child examined before school entry, with the outcomes of the exam.
--
-- key: pseudonym
--
-- pseudonym             id      pseudonym of the child
-- ags                   id      Gemeinde of residence, 8-digit key in today's borders
-- period                year    entry year: calendar year in which the child enters school
-- stratum               text    home language and parents' education, such as german_low; unknown where either is
-- german_insufficient   flag    1 when command of German is 1 to 3 of 5
-- sopess_flagged        points  number of SOPESS sub-tests flagged, 0 to 9; empty unless all nine are known
-- u8_u9_complete        flag    1 when check-ups U8 and U9 are in the booklet; empty without a booklet
-- visuomotor_flagged    flag    1 when the SOPESS sub-test of visuomotor skills is flagged
-- counting_flagged      flag    1 when the SOPESS sub-test of counting is flagged
-- coordination_flagged  flag    1 when the SOPESS sub-test of jumping sideways is flagged
-- attention_flagged     flag    1 when the SOPESS sub-test of selective attention is flagged
-- mmr_two_doses         flag    1 with two doses of vaccine against measles, mumps and rubella
-- speech_referral       flag    1 when the exam referred the child for speech (finding A)
-- bmi                   number  body mass index in kg/m2
-- hearing_finding       flag    1 with a hearing finding in need of care (A, B or D)
-- height                number  height in cm
--
-- A child counts once, with its last entry year: one that is deferred (zurückgestellt) is examined again for the next
-- year, and that is when it enters school. Left out are all its rows of earlier years. Rows are never mixed: a value
-- unknown in the last year stays unknown. The rows left out stay in intake.school_entry_exam and count as accepted.
-- Only accepted rows of active deliveries are compared. So the newest year delivered still holds children who will be
-- deferred; they leave it, and its results change, when the next year arrives.
-- Should one year hold a child twice, which the contract rules out, the row taken in first counts.
WITH cutoff AS (
    SELECT
        MAX(CASE WHEN subtest = 'attention_points' THEN flagged_up_to END) AS attention,
        MAX(CASE WHEN subtest = 'counting_points' THEN flagged_up_to END) AS counting,
        MAX(CASE WHEN subtest = 'quantity_points' THEN flagged_up_to END) AS quantity,
        MAX(CASE WHEN subtest = 'visuomotor_points' THEN flagged_up_to END) AS visuomotor,
        MAX(CASE WHEN subtest = 'perception_points' THEN flagged_up_to END) AS perception,
        MAX(CASE WHEN subtest = 'preposition_points' THEN flagged_up_to END) AS preposition,
        MAX(CASE WHEN subtest = 'plural_points' THEN flagged_up_to END) AS plural,
        MAX(CASE WHEN subtest = 'pseudoword_points' THEN flagged_up_to END) AS pseudoword,
        MAX(CASE WHEN subtest = 'coordination_points' THEN flagged_up_to END) AS coordination
    FROM reference.sopess_cutoff
),

examined AS (
    SELECT exam.pseudonym, exam.entry_year, exam.delivery_id, exam.line_no
    FROM intake.school_entry_exam AS exam
    INNER JOIN intake.delivery AS delivery ON delivery.delivery_id = exam.delivery_id AND delivery.is_active
),

-- Few children were examined more than once; to put only these in order is quick.
examined_again AS (
    SELECT pseudonym
    FROM examined
    GROUP BY pseudonym
    HAVING COUNT(*) > 1
),

ranked AS (
    SELECT
        examined.delivery_id,
        examined.line_no,
        ROW_NUMBER() OVER (
            PARTITION BY examined.pseudonym
            ORDER BY examined.entry_year DESC, examined.delivery_id, examined.line_no
        ) AS latest_first
    FROM examined
    INNER JOIN examined_again ON examined_again.pseudonym = examined.pseudonym
),

left_out AS (
    SELECT delivery_id, line_no
    FROM ranked
    WHERE latest_first > 1
),

child AS (
    SELECT
        exam.pseudonym,
        exam.ags,
        exam.entry_year,
        exam.home_language,
        exam.parents_education,
        exam.german_skills,
        exam.has_booklet,
        exam.u8,
        exam.u9,
        exam.mmr_doses,
        exam.speech_finding,
        exam.hearing_finding,
        exam.height_cm,
        exam.weight_kg,
        CASE
            WHEN exam.attention_points <= cutoff.attention THEN 1
            WHEN exam.attention_points > cutoff.attention THEN 0
        END AS attention_flagged,
        CASE
            WHEN exam.counting_points <= cutoff.counting THEN 1
            WHEN exam.counting_points > cutoff.counting THEN 0
        END AS counting_flagged,
        CASE
            WHEN exam.quantity_points <= cutoff.quantity THEN 1
            WHEN exam.quantity_points > cutoff.quantity THEN 0
        END AS quantity_flagged,
        CASE
            WHEN exam.visuomotor_points <= cutoff.visuomotor THEN 1
            WHEN exam.visuomotor_points > cutoff.visuomotor THEN 0
        END AS visuomotor_flagged,
        CASE
            WHEN exam.perception_points <= cutoff.perception THEN 1
            WHEN exam.perception_points > cutoff.perception THEN 0
        END AS perception_flagged,
        CASE
            WHEN exam.preposition_points <= cutoff.preposition THEN 1
            WHEN exam.preposition_points > cutoff.preposition THEN 0
        END AS preposition_flagged,
        CASE
            WHEN exam.plural_points <= cutoff.plural THEN 1
            WHEN exam.plural_points > cutoff.plural THEN 0
        END AS plural_flagged,
        CASE
            WHEN exam.pseudoword_points <= cutoff.pseudoword THEN 1
            WHEN exam.pseudoword_points > cutoff.pseudoword THEN 0
        END AS pseudoword_flagged,
        CASE
            WHEN exam.coordination_points <= cutoff.coordination THEN 1
            WHEN exam.coordination_points > cutoff.coordination THEN 0
        END AS coordination_flagged
    FROM intake.school_entry_exam AS exam
    INNER JOIN intake.delivery AS delivery ON delivery.delivery_id = exam.delivery_id AND delivery.is_active
    CROSS JOIN cutoff
    WHERE NOT EXISTS (
        SELECT 1
        FROM left_out
        WHERE left_out.delivery_id = exam.delivery_id AND left_out.line_no = exam.line_no
    )
)

SELECT
    pseudonym,
    ags,
    entry_year AS period,
    COALESCE(home_language || '_' || parents_education, 'unknown') AS stratum,
    CASE WHEN german_skills <= 3 THEN 1 WHEN german_skills > 3 THEN 0 END AS german_insufficient,
    -- A sum with an unknown part is unknown.
    attention_flagged + counting_flagged + quantity_flagged + visuomotor_flagged + perception_flagged
    + preposition_flagged + plural_flagged + pseudoword_flagged + coordination_flagged AS sopess_flagged,
    -- One check-up known to be missing settles the answer, even when the other is unknown.
    CASE
        WHEN has_booklet AND u8 AND u9 THEN 1
        WHEN has_booklet AND (NOT u8 OR NOT u9) THEN 0
    END AS u8_u9_complete,
    visuomotor_flagged,
    counting_flagged,
    coordination_flagged,
    attention_flagged,
    CASE WHEN mmr_doses >= 2 THEN 1 WHEN mmr_doses < 2 THEN 0 END AS mmr_two_doses,
    CASE WHEN speech_finding = 'A' THEN 1 WHEN speech_finding IS NOT NULL THEN 0 END AS speech_referral,
    CAST(
        CAST(weight_kg AS DOUBLE) * 10000 / (CAST(height_cm AS DOUBLE) * CAST(height_cm AS DOUBLE)) AS DECIMAL(5, 2)
    ) AS bmi,
    CASE WHEN hearing_finding IN ('A', 'B', 'D') THEN 1 WHEN hearing_finding IS NOT NULL THEN 0 END AS hearing_finding,
    height_cm AS height
FROM child
