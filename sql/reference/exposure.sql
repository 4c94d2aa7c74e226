-- One row per outcome, wave and period: how long the children of that period have lived under the programme when measured.
--
-- key: outcome, wave, period
--
-- outcome                         text   outcome of the plan
-- wave                            year   wave of the plan
-- period                          year   entry year, calendar year or Kita year, as the outcome's period_kind says
-- measurement_date                date   1 January of the period's year plus measured_months of the plan
-- birth_date                      date   mean date of birth: measurement minus age_years
-- years_under_programme           years  from the later of programme start and conception to the earlier of measurement and end of the window
-- full_years                      years  years under the programme of a child conceived after its start
-- share_of_full                   share  years_under_programme / full_years
-- is_exposed                      flag   at least minimum_exposure years of the plan, and more than none
-- is_fully_exposed                flag   the child of mean age was conceived on or after the day of programme start
-- first_exposed_period            year   first period that is exposed, whether or not the study holds it
-- first_exposed_year              year   calendar year in which that period is measured
-- first_fully_exposed_period      year   first period that is fully exposed
-- first_fully_exposed_year        year   calendar year in which that period is measured
--
-- Method: for the child of mean age, in decimal years; pregnancy counts (280 days).
-- Periods run past the end of the study, so that the first fully exposed one is visible.
WITH bounds AS (
    SELECT
        s.first_period,
        s.minimum_exposure,
        -- No outcome is measured more than 20 years after the period's year, nor at an age above 25 (limits of the plan).
        CAST(MIN(EXTRACT(year FROM w.start_date)) AS INTEGER) - 21 AS search_from,
        CAST(GREATEST(MAX(s.last_period), 2040, MAX(EXTRACT(year FROM w.start_date)) + CEIL(MAX(o.age_years)) + 2) AS INTEGER) AS search_to
    FROM plan.study AS s
    CROSS JOIN plan.outcome AS o
    CROSS JOIN plan.wave AS p
    JOIN reference.wave AS w ON w.wave = p.wave
    GROUP BY s.first_period, s.minimum_exposure
),
periods AS (
    SELECT CAST(UNNEST(RANGE(LEAST(search_from, first_period), search_to + 1)) AS INTEGER) AS period
    FROM bounds
),
timed AS (
    SELECT
        o.outcome,
        w.wave,
        t.period,
        o.measured_months,
        o.age_years,
        t.period + o.measured_months / 12.0 AS measured,
        EXTRACT(year FROM w.start_date) + (EXTRACT(month FROM w.start_date) - 1) / 12.0
            + (EXTRACT(day FROM w.start_date) - 1) / 365.25 AS started,
        t.period + o.measured_months / 12.0 - o.age_years AS born,
        LEAST(o.age_years, o.window_years) AS window_years,
        280 / 365.25 AS pregnancy
    FROM plan.outcome AS o
    CROSS JOIN plan.wave AS p
    JOIN reference.wave AS w ON w.wave = p.wave
    CROSS JOIN periods AS t
),
exposed AS (
    SELECT
        timed.*,
        window_years + pregnancy AS full_years,
        -- Rounded, so that exactly the minimum of the plan counts as the minimum.
        ROUND(GREATEST(born + window_years - GREATEST(started, born - pregnancy), 0.0), 6) AS years,
        born - pregnancy >= started AS is_full
    FROM timed
),
flagged AS (
    SELECT exposed.*, years > 0 AND years >= bounds.minimum_exposure AS is_exposed, bounds.first_period
    FROM exposed
    CROSS JOIN bounds
),
firsts AS (
    SELECT
        outcome,
        wave,
        MIN(CASE WHEN is_exposed THEN period END) AS exposed_period,
        MIN(CASE WHEN is_full THEN period END) AS full_period
    FROM flagged
    GROUP BY outcome, wave
)
SELECT
    f.outcome,
    f.wave,
    f.period,
    CAST(MAKE_DATE(f.period, 1, 1) + TO_MONTHS(CAST(f.measured_months AS INTEGER)) AS DATE) AS measurement_date,
    CAST(MAKE_DATE(f.period, 1, 1) + TO_MONTHS(CAST(f.measured_months AS INTEGER)) AS DATE)
        - CAST(ROUND(f.age_years * 365.25) AS INTEGER) AS birth_date,
    CAST(f.years AS DOUBLE) AS years_under_programme,
    CAST(ROUND(f.full_years, 6) AS DOUBLE) AS full_years,
    CAST(ROUND(f.years / f.full_years, 6) AS DOUBLE) AS share_of_full,
    f.is_exposed,
    f.is_full AS is_fully_exposed,
    firsts.exposed_period AS first_exposed_period,
    CAST(firsts.exposed_period + FLOOR(f.measured_months / 12.0) AS INTEGER) AS first_exposed_year,
    firsts.full_period AS first_fully_exposed_period,
    CAST(firsts.full_period + FLOOR(f.measured_months / 12.0) AS INTEGER) AS first_fully_exposed_year
FROM flagged AS f
JOIN firsts ON firsts.outcome = f.outcome AND firsts.wave = f.wave
WHERE f.period >= f.first_period
ORDER BY f.outcome, f.wave, f.period
