-- One row per outcome, Gemeinde, entry year and stratum: outcomes of the school entry exam.
--
-- key: outcome, ags, period, stratum
--
-- outcome           id     outcome of the plan
-- ags               id     Gemeinde of residence, 8-digit key in today's borders
-- period            year   entry year
-- stratum           text   home language and parents' education, such as german_low; or unknown
-- n                 count  children with a known value
-- total             sum    sum of the outcome over these children
-- total_of_squares  sum    sum of its squares
WITH wide AS (
    SELECT
        ags,
        period,
        stratum,
        COUNT(german_insufficient) AS german_insufficient_n,
        SUM(CAST(german_insufficient AS DECIMAL(18, 4))) AS german_insufficient_total,
        SUM(CAST(german_insufficient * german_insufficient AS DECIMAL(18, 8))) AS german_insufficient_squares,
        COUNT(sopess_flagged) AS sopess_flagged_n,
        SUM(CAST(sopess_flagged AS DECIMAL(18, 4))) AS sopess_flagged_total,
        SUM(CAST(sopess_flagged * sopess_flagged AS DECIMAL(18, 8))) AS sopess_flagged_squares,
        COUNT(u8_u9_complete) AS u8_u9_complete_n,
        SUM(CAST(u8_u9_complete AS DECIMAL(18, 4))) AS u8_u9_complete_total,
        SUM(CAST(u8_u9_complete * u8_u9_complete AS DECIMAL(18, 8))) AS u8_u9_complete_squares,
        COUNT(visuomotor_flagged) AS visuomotor_flagged_n,
        SUM(CAST(visuomotor_flagged AS DECIMAL(18, 4))) AS visuomotor_flagged_total,
        SUM(CAST(visuomotor_flagged * visuomotor_flagged AS DECIMAL(18, 8))) AS visuomotor_flagged_squares,
        COUNT(counting_flagged) AS counting_flagged_n,
        SUM(CAST(counting_flagged AS DECIMAL(18, 4))) AS counting_flagged_total,
        SUM(CAST(counting_flagged * counting_flagged AS DECIMAL(18, 8))) AS counting_flagged_squares,
        COUNT(coordination_flagged) AS coordination_flagged_n,
        SUM(CAST(coordination_flagged AS DECIMAL(18, 4))) AS coordination_flagged_total,
        SUM(CAST(coordination_flagged * coordination_flagged AS DECIMAL(18, 8))) AS coordination_flagged_squares,
        COUNT(attention_flagged) AS attention_flagged_n,
        SUM(CAST(attention_flagged AS DECIMAL(18, 4))) AS attention_flagged_total,
        SUM(CAST(attention_flagged * attention_flagged AS DECIMAL(18, 8))) AS attention_flagged_squares,
        COUNT(mmr_two_doses) AS mmr_two_doses_n,
        SUM(CAST(mmr_two_doses AS DECIMAL(18, 4))) AS mmr_two_doses_total,
        SUM(CAST(mmr_two_doses * mmr_two_doses AS DECIMAL(18, 8))) AS mmr_two_doses_squares,
        COUNT(speech_referral) AS speech_referral_n,
        SUM(CAST(speech_referral AS DECIMAL(18, 4))) AS speech_referral_total,
        SUM(CAST(speech_referral * speech_referral AS DECIMAL(18, 8))) AS speech_referral_squares,
        COUNT(bmi) AS bmi_n,
        SUM(CAST(bmi AS DECIMAL(18, 4))) AS bmi_total,
        SUM(CAST(bmi * bmi AS DECIMAL(18, 8))) AS bmi_squares,
        COUNT(hearing_finding) AS hearing_finding_n,
        SUM(CAST(hearing_finding AS DECIMAL(18, 4))) AS hearing_finding_total,
        SUM(CAST(hearing_finding * hearing_finding AS DECIMAL(18, 8))) AS hearing_finding_squares,
        COUNT(height) AS height_n,
        SUM(CAST(height AS DECIMAL(18, 4))) AS height_total,
        SUM(CAST(height * height AS DECIMAL(18, 8))) AS height_squares
    FROM staging.school_entry_exam
    GROUP BY ags, period, stratum
),

listed AS (
    SELECT outcome
    FROM (
        VALUES
        ('german_insufficient'),
        ('sopess_flagged'),
        ('u8_u9_complete'),
        ('visuomotor_flagged'),
        ('counting_flagged'),
        ('coordination_flagged'),
        ('attention_flagged'),
        ('mmr_two_doses'),
        ('speech_referral'),
        ('bmi'),
        ('hearing_finding'),
        ('height')
    ) AS names (outcome)
),

long AS (
    SELECT
        listed.outcome,
        wide.ags,
        wide.period,
        wide.stratum,
        CASE listed.outcome
            WHEN 'german_insufficient' THEN wide.german_insufficient_n
            WHEN 'sopess_flagged' THEN wide.sopess_flagged_n
            WHEN 'u8_u9_complete' THEN wide.u8_u9_complete_n
            WHEN 'visuomotor_flagged' THEN wide.visuomotor_flagged_n
            WHEN 'counting_flagged' THEN wide.counting_flagged_n
            WHEN 'coordination_flagged' THEN wide.coordination_flagged_n
            WHEN 'attention_flagged' THEN wide.attention_flagged_n
            WHEN 'mmr_two_doses' THEN wide.mmr_two_doses_n
            WHEN 'speech_referral' THEN wide.speech_referral_n
            WHEN 'bmi' THEN wide.bmi_n
            WHEN 'hearing_finding' THEN wide.hearing_finding_n
            WHEN 'height' THEN wide.height_n
        END AS n,
        CASE listed.outcome
            WHEN 'german_insufficient' THEN wide.german_insufficient_total
            WHEN 'sopess_flagged' THEN wide.sopess_flagged_total
            WHEN 'u8_u9_complete' THEN wide.u8_u9_complete_total
            WHEN 'visuomotor_flagged' THEN wide.visuomotor_flagged_total
            WHEN 'counting_flagged' THEN wide.counting_flagged_total
            WHEN 'coordination_flagged' THEN wide.coordination_flagged_total
            WHEN 'attention_flagged' THEN wide.attention_flagged_total
            WHEN 'mmr_two_doses' THEN wide.mmr_two_doses_total
            WHEN 'speech_referral' THEN wide.speech_referral_total
            WHEN 'bmi' THEN wide.bmi_total
            WHEN 'hearing_finding' THEN wide.hearing_finding_total
            WHEN 'height' THEN wide.height_total
        END AS total,
        CASE listed.outcome
            WHEN 'german_insufficient' THEN wide.german_insufficient_squares
            WHEN 'sopess_flagged' THEN wide.sopess_flagged_squares
            WHEN 'u8_u9_complete' THEN wide.u8_u9_complete_squares
            WHEN 'visuomotor_flagged' THEN wide.visuomotor_flagged_squares
            WHEN 'counting_flagged' THEN wide.counting_flagged_squares
            WHEN 'coordination_flagged' THEN wide.coordination_flagged_squares
            WHEN 'attention_flagged' THEN wide.attention_flagged_squares
            WHEN 'mmr_two_doses' THEN wide.mmr_two_doses_squares
            WHEN 'speech_referral' THEN wide.speech_referral_squares
            WHEN 'bmi' THEN wide.bmi_squares
            WHEN 'hearing_finding' THEN wide.hearing_finding_squares
            WHEN 'height' THEN wide.height_squares
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
