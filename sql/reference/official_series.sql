-- One row per part of a series of official statistics: which published figures make it.
--
-- key: series, role, table_code, characteristics, measure
--
-- series           text   name of the series; an outcome or covariate of the plan has the same name
-- kind             text   share (count / denominator), rate (published percentage) or covariate
-- role             text   count, denominator or rate
-- table_code       text   table of GENESIS, or INKAR
-- characteristics  text   labels beside the area, exactly as published
-- measure          text   labels above the figure with its unit, exactly as published
-- first_offset     years  the figure of this many years before the year of the series is added ...
-- last_offset      years  ... and all figures up to this many years before
-- first_year       year   first year of the series in which the part counts
-- last_year        year   last year of the series in which the part counts
--
-- A series holds a year only where all its parts are published. One series never mixes sources or definitions.
-- The official population by age (12411-02-03-4) is that of the 31 December before the day of counting (1 March).
-- Until 2010 the published total of children in care counts a child twice that attends a Kita and a childminder; from
-- 2011 it does not. kita_under_3_of_births counts such a child twice in all years, so that its definition never changes.
-- Births stand for the children of that age where no population by age is published for each year: no census breaks them.
-- Children of 0 to 2 on 1 March were born in the three calendar years before (approximately, without migration).
SELECT
    CAST(series AS VARCHAR) AS series,
    CAST(kind AS VARCHAR) AS kind,
    CAST(role AS VARCHAR) AS role,
    CAST(table_code AS VARCHAR) AS table_code,
    CAST(characteristics AS VARCHAR) AS characteristics,
    CAST(measure AS VARCHAR) AS measure,
    CAST(first_offset AS INTEGER) AS first_offset,
    CAST(last_offset AS INTEGER) AS last_offset,
    CAST(first_year AS INTEGER) AS first_year,
    CAST(last_year AS INTEGER) AS last_year
FROM (VALUES
    ('leavers_without_degree', 'share', 'count', '21111-02-06-4', '', 'Schulabschluss | ohne Hauptschulabschluss | Insgesamt', 0, 0, 1995, 2100),
    ('leavers_without_degree', 'share', 'denominator', '21111-02-06-4', '', 'Schulabschluss | Insgesamt | Insgesamt', 0, 0, 1995, 2100),
    ('kita_under_3', 'share', 'count', '22543-01-01-4', 'Insgesamt', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2007, 2010),
    ('kita_under_3', 'share', 'count', '22543-01-02-4', 'Insgesamt (ohne Doppelzählungen)', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2011, 2100),
    ('kita_under_3', 'share', 'denominator', '12411-02-03-4', 'unter 3 Jahre', 'Insgesamt', 1, 1, 2007, 2100),
    ('kita_3_to_5', 'share', 'count', '22543-01-01-4', 'Insgesamt', 'Betreute Kinder | Altersgruppe | 3 bis unter 6 Jahre | Anzahl', 0, 0, 2007, 2010),
    ('kita_3_to_5', 'share', 'count', '22543-01-02-4', 'Insgesamt (ohne Doppelzählungen)', 'Betreute Kinder | Altersgruppe | 3 bis unter 6 Jahre | Anzahl', 0, 0, 2011, 2100),
    ('kita_3_to_5', 'share', 'denominator', '12411-02-03-4', '3 bis unter 6 Jahre', 'Insgesamt', 1, 1, 2007, 2100),
    ('kita_under_3_of_births', 'share', 'count', '22543-01-01-4', 'Tageseinrichtung', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2007, 2010),
    ('kita_under_3_of_births', 'share', 'count', '22543-01-01-4', 'Tagespflege', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2007, 2010),
    ('kita_under_3_of_births', 'share', 'count', '22543-01-02-4', 'Tageseinrichtung', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2011, 2100),
    ('kita_under_3_of_births', 'share', 'count', '22543-01-02-4', 'Tagespflege', 'Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl', 0, 0, 2011, 2100),
    ('kita_under_3_of_births', 'share', 'denominator', '12612-01-01-4', '', 'Insgesamt', 1, 3, 2007, 2100),
    ('leavers_without_degree_inkar', 'rate', 'rate', 'INKAR', '', 'Schulabgänger ohne Abschluss', 0, 0, 1995, 2100),
    ('kita_under_3_rate', 'rate', 'rate', 'AI003-3', '', 'Betreuungsquote 0 bis 2 Jahre | Prozent', 0, 0, 2011, 2100),
    ('kita_3_to_5_rate', 'rate', 'rate', 'AI003-3', '', 'Betreuungsquote 3 bis 5 Jahre | Prozent', 0, 0, 2011, 2100),
    ('kita_under_3_centres_rate', 'rate', 'rate', 'AI003-1', '', 'Anteil betreute Kinder 0-2 Jahre in Tageseinricht. | Prozent', 0, 0, 2007, 2100),
    ('kita_3_to_5_centres_rate', 'rate', 'rate', 'AI003-1', '', 'Anteil betreute Kinder 3-5 Jahre in Tageseinricht. | Prozent', 0, 0, 2007, 2100),
    ('births', 'covariate', 'count', '12612-01-01-4', '', 'Insgesamt', 0, 0, 1995, 2100),
    ('sgb2_under_15', 'covariate', 'count', '22811-02-02-4', '', 'dar.: Regelleistungsberechtigte nach dem SGB II | nicht erwerbsf. Leistungsberech. (Sozialgeld) | unter 15 Jahre | Anzahl', 0, 0, 2010, 2100),
    ('sgb2_under_15', 'covariate', 'denominator', '12612-01-01-4', '', 'Insgesamt', 0, 14, 2010, 2100)
) AS t(series, kind, role, table_code, characteristics, measure, first_offset, last_offset, first_year, last_year)
ORDER BY series, role, table_code, characteristics, measure
