-- One row per outcome, reading of the programme's cost, and discount rate, without numbers on few children.
--
-- key: outcome, is_additive, discount_rate
--
-- outcome            id        outcome of the plan
-- is_additive        flag      the programme's cost comes on top of the places' cost, not with them inside
-- discount_rate      share     yearly rate at which cost is valued at the start of exposure
-- is_plan_choice     flag      the plan's own answer to both
-- n_places           number    places taking part by the plan's latest wave, each with its own cost
-- children_per_year  number    children of one entry year where the programme runs
-- yearly_cost        number    euros a year, all places together
-- cost_per_child     number    euros per fully exposed child, valued at the start of exposure
-- effect_kind        text      which effect of the primary estimator: fully_exposed, or overall
-- averted            estimate  cases averted or wanted cases added, per child
-- std_error          estimate  its standard error
-- df                 number    degrees of freedom
-- cost_per_case      number    euros per averted case
-- set_kind           text      its Fieller set: bounded, one ray, two rays (outside the ends), unbounded
-- set_low            number    lower end of the set
-- set_high           number    upper end of the set
-- benefit_per_case   number    euros that one averted case is worth, as the plan says
-- acceptability      number    probability that the effect is worth its cost at that benefit
-- break_even_effect  estimate  averted cases per child from which the programme pays for itself
-- detectable_effect  estimate  smallest effect that these data could show
-- price_year         year      year of the prices
-- source_de          text      where the amounts come from, in German
-- source_en          text      where the amounts come from, in English
-- n_children         count     children behind the effect
-- status             text      estimated, not estimable, or suppressed
-- note               note      reason, or what a reader of the row must know
-- plan_sha256        id        hash of the plan
WITH costed AS (
    SELECT * FROM horizon.cost
),

judged AS (
    SELECT
        costed.*,
        COALESCE(costed.n BETWEEN 1 AND plan.study.threshold - 1, FALSE) AS is_small
    FROM costed
    CROSS JOIN plan.study
)

SELECT
    outcome,
    is_additive,
    discount_rate,
    is_plan_choice,
    n_places,
    children_per_year,
    yearly_cost,
    cost_per_child,
    effect_kind,
    CASE WHEN NOT is_small THEN averted END AS averted,
    CASE WHEN NOT is_small THEN std_error END AS std_error,
    CASE WHEN NOT is_small THEN df END AS df,
    CASE WHEN NOT is_small THEN cost_per_case END AS cost_per_case,
    CASE WHEN NOT is_small THEN set_kind END AS set_kind,
    CASE WHEN NOT is_small THEN set_low END AS set_low,
    CASE WHEN NOT is_small THEN set_high END AS set_high,
    benefit_per_case,
    CASE WHEN NOT is_small THEN acceptability END AS acceptability,
    break_even_effect,
    detectable_effect,
    price_year,
    source_de,
    source_en,
    CASE WHEN NOT is_small THEN n END AS n_children,
    CASE WHEN is_small THEN 'suppressed' ELSE status END AS status,
    CASE WHEN is_small THEN 'fewer children than the threshold' ELSE note END AS note,
    plan_sha256
FROM judged
