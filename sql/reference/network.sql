-- One row per wave: the number of members announced, beside the number in reference.participation.
--
-- key: wave
--
-- wave                         year   2012, 2017 or 2020
-- announced_kreisfreie_staedte  count  kreisfreie Städte announced, with Aachen, which is equal to them by law
-- counted_kreisfreie_staedte   count  the same in reference.participation
-- announced_gemeinden          count  towns that belong to a Kreis, announced
-- counted_gemeinden            count  the same in reference.participation
-- announced_kreise             count  Kreise announced
-- counted_kreise               count  the same in reference.participation
-- announced_members            count  all members announced
-- counted_members              count  the same in reference.participation
-- announced_children           share  share of the children of the country in the network by this wave, as announced
-- counted_children             share  share of the children under 6 (2015) by this wave, with Kreise counted whole
-- counted_children_named       share  the same when only Gemeinden count that are named themselves
--
-- Announced: 18 members in 2012, 22 more in 2017 (8 with Krefeld, 6, 8), reaching together 60 percent of the children.
-- For 2020 there is a snapshot of the successor programme but no announcement: these columns are empty.
-- Sources: press release of Bertelsmann Stiftung on the 18; https://www.neuss.de/kein-kind-zuruecklassen on the 22.
WITH announced AS (
    SELECT wave, kreisfreie_staedte, gemeinden, kreise, members, children
    FROM (VALUES
        (2012, 10, 5, 3, 18, NULL),
        (2017, 8, 6, 8, 22, 0.60),
        (2020, NULL, NULL, NULL, NULL, NULL)
    ) AS t(wave, kreisfreie_staedte, gemeinden, kreise, members, children)
),
counted AS (
    SELECT
        wave,
        -- Aachen belongs to a Kreis since 2009 but has the rights of a kreisfreie Stadt and was announced as one.
        SUM(CASE WHEN level = 'kreisfreie_stadt' OR ags = '05334002' THEN 1 ELSE 0 END) AS kreisfreie_staedte,
        SUM(CASE WHEN level = 'gemeinde' AND ags <> '05334002' THEN 1 ELSE 0 END) AS gemeinden,
        SUM(CASE WHEN level = 'kreis' THEN 1 ELSE 0 END) AS kreise,
        COUNT(*) AS members
    FROM reference.participation
    GROUP BY wave
),
reached AS (
    SELECT
        wave,
        SUM(CASE WHEN rule = 'with_kreis' THEN children_taking_part ELSE 0 END) AS with_kreis,
        SUM(CASE WHEN rule = 'named' THEN children_taking_part ELSE 0 END) AS named,
        SUM(CASE WHEN rule = 'named' THEN children ELSE 0 END) AS children
    FROM reference.kreis_dose
    GROUP BY wave
)
SELECT
    a.wave,
    CAST(a.kreisfreie_staedte AS INTEGER) AS announced_kreisfreie_staedte,
    CAST(c.kreisfreie_staedte AS INTEGER) AS counted_kreisfreie_staedte,
    CAST(a.gemeinden AS INTEGER) AS announced_gemeinden,
    CAST(c.gemeinden AS INTEGER) AS counted_gemeinden,
    CAST(a.kreise AS INTEGER) AS announced_kreise,
    CAST(c.kreise AS INTEGER) AS counted_kreise,
    CAST(a.members AS INTEGER) AS announced_members,
    CAST(c.members AS INTEGER) AS counted_members,
    CAST(a.children AS DOUBLE) AS announced_children,
    CAST(r.with_kreis AS DOUBLE) / r.children AS counted_children,
    CAST(r.named AS DOUBLE) / r.children AS counted_children_named
FROM announced AS a
JOIN counted AS c ON c.wave = a.wave
JOIN reached AS r ON r.wave = a.wave
ORDER BY a.wave
