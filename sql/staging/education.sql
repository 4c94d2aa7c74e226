-- One row per child and stage reached at school, with the outcomes of that stage.
--
-- key: pseudonym, stage
--
-- pseudonym                    id      pseudonym of the child
-- ags                          id      Gemeinde of residence, 8-digit key in today's borders
-- period                       year    entry year: calendar year in which the child entered school
-- stratum                      text    all: this source says nothing about language or education at home
-- stage                        number  3 (grade 3), 5 (grade 5) or 10 (leaving school)
-- grade_3_low                  flag    1 at the lowest level of competence in grade 3; empty at other stages
-- gymnasium                    flag    1 when in a Gymnasium in grade 5; empty at other stages
-- grade_repeated               flag    1 when a grade was repeated in primary school; empty at other stages than 5
-- leaving_without_certificate  flag    1 when leaving school without a certificate; empty at other stages than 10
--
-- A child counts once per stage, with its first school year there: repeating must not move it into another cohort's
-- result. Left out are all its rows of later school years at that stage. Rows are never mixed: a value unknown in the
-- first school year stays unknown. The rows left out stay in intake.education and count as accepted.
-- Only accepted rows of active deliveries are compared. So the first school year delivered also holds children who
-- repeat and whose first year was never delivered.
-- Should one school year hold a child twice at a stage, which the contract rules out, the row taken in first counts.
WITH reached AS (
    SELECT
        intake.education.pseudonym,
        intake.education.stage,
        intake.education.school_year,
        intake.education.delivery_id,
        intake.education.line_no
    FROM intake.education
    INNER JOIN intake.delivery
        ON intake.delivery.delivery_id = intake.education.delivery_id AND intake.delivery.is_active
),

-- Few children are at a stage more than once; to put only these in order is quick.
reached_again AS (
    SELECT pseudonym, stage
    FROM reached
    GROUP BY pseudonym, stage
    HAVING COUNT(*) > 1
),

ranked AS (
    SELECT
        reached.delivery_id,
        reached.line_no,
        ROW_NUMBER() OVER (
            PARTITION BY reached.pseudonym, reached.stage
            ORDER BY reached.school_year, reached.delivery_id, reached.line_no
        ) AS earliest_first
    FROM reached
    INNER JOIN reached_again
        ON reached_again.pseudonym = reached.pseudonym AND reached_again.stage = reached.stage
),

left_out AS (
    SELECT delivery_id, line_no
    FROM ranked
    WHERE earliest_first > 1
)

SELECT
    intake.education.pseudonym,
    intake.education.ags,
    intake.education.entry_year AS period,
    'all' AS stratum,
    intake.education.stage,
    CASE
        WHEN intake.education.stage <> 3 THEN NULL
        WHEN intake.education.grade_3_level = 1 THEN 1
        WHEN intake.education.grade_3_level IS NOT NULL THEN 0
    END AS grade_3_low,
    CASE
        WHEN intake.education.stage <> 5 THEN NULL
        WHEN intake.education.grade_5_track = 'GY' THEN 1
        WHEN intake.education.grade_5_track IS NOT NULL THEN 0
    END AS gymnasium,
    CASE
        WHEN intake.education.stage <> 5 THEN NULL
        WHEN intake.education.has_repeated THEN 1
        WHEN NOT intake.education.has_repeated THEN 0
    END AS grade_repeated,
    CASE
        WHEN intake.education.stage <> 10 THEN NULL
        WHEN intake.education.certificate = 'OA' THEN 1
        WHEN intake.education.certificate IS NOT NULL THEN 0
    END AS leaving_without_certificate
FROM intake.education
INNER JOIN intake.delivery
    ON intake.delivery.delivery_id = intake.education.delivery_id AND intake.delivery.is_active
WHERE NOT EXISTS (
    SELECT 1
    FROM left_out
    WHERE left_out.delivery_id = intake.education.delivery_id AND left_out.line_no = intake.education.line_no
)
