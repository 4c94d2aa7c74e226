-- One row per wave of the programme.
--
-- key: wave
--
-- wave        year  2012, 2017 or 2020
-- start_date  date  day from which children count as living under the programme
-- name        text  name of the programme at that time
-- source      text  page on which the beginning is stated
SELECT
    CAST(wave AS INTEGER) AS wave,
    CAST(start_date AS DATE) AS start_date,
    CAST(name AS VARCHAR) AS name,
    CAST(source AS VARCHAR) AS source
FROM (VALUES
    (2012, '2012-01-01', 'Kein Kind zurücklassen! Kommunen in NRW beugen vor', 'https://www.land.nrw/de/kein-kind-zuruecklassen-kommunen-nrw-beugen-vor'),
    (2017, '2017-01-01', 'Kein Kind zurücklassen! / Kommunale Präventionsketten NRW', 'https://www.neuss.de/kein-kind-zuruecklassen'),
    (2020, '2020-08-01', 'kinderstark - NRW schafft Chancen', 'https://www.kinderstark.nrw/kommunen')
) AS t(wave, start_date, name, source)
ORDER BY 1
