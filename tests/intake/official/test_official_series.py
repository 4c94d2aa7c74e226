"""Series from official figures: the rules on small hand-made figures."""

from decimal import Decimal

LEAVERS = "21111-02-06-4"
ALL, WITHOUT = "Schulabschluss | Insgesamt | Insgesamt", "Schulabschluss | ohne Hauptschulabschluss | Insgesamt"
CARE = "Betreute Kinder | Altersgruppe | unter 3 Jahre | Anzahl"
RATE = "Schulabgänger ohne Abschluss"


def _leavers(figure, key, year, without, total):
    return [figure(key, year, without, LEAVERS, "", WITHOUT), figure(key, year, total, LEAVERS, "", ALL)]


def _counts(series):
    rows = series.rows("SELECT series, kreis, year, count, denominator FROM staging.official_count")
    return {row[:3]: row[3:] for row in rows}


def test_count_and_denominator_meet(series_of, figure):
    series = series_of(_leavers(figure, "05114", 2015, 120, 2000))
    assert _counts(series) == {("leavers_without_degree", "05114", 2015): (120, 2000)}
    assert series.rows("SELECT * FROM cells.official") == [
        ("leavers_without_degree", "05114", 2015, "all", 2000, Decimal(120), Decimal(120))
    ]


def test_an_unknown_part_leaves_the_year_out(series_of, figure):
    series = series_of(_leavers(figure, "05114", 2015, None, 2000) + _leavers(figure, "05116", 2015, 3, None))
    assert _counts(series) == {}


def test_kreise_of_other_laender_stay_in_staging_and_out_of_cells(series_of, figure):
    series = series_of(_leavers(figure, "05114", 2015, 1, 20) + _leavers(figure, "09162", 2015, 2, 30))
    assert {key[1] for key in _counts(series)} == {"05114", "09162"}
    assert series.rows("SELECT kreis FROM cells.official") == [("05114",)]


def test_aachen_before_the_reform_is_kreis_and_city(series_of, figure):
    figures = _leavers(figure, "05354", 2008, 203, 3608) + _leavers(figure, "05334002", 2008, 189, 3047)
    figures += _leavers(figure, "05334", 2008, None, None)
    assert _counts(series_of(figures)) == {("leavers_without_degree", "05334", 2008): (392, 6655)}


def test_aachen_before_the_reform_under_the_old_key_of_the_city(series_of, figure):
    figures = _leavers(figure, "05354", 2008, 203, 3608) + _leavers(figure, "05313", 2008, 189, 3047)
    assert _counts(series_of(figures)) == {("leavers_without_degree", "05334", 2008): (392, 6655)}


def test_the_city_under_two_keys_is_counted_once(series_of, figure):
    figures = _leavers(figure, "05354", 2008, 203, 3608)
    for key in ("05313", "05334002", "05313000"):
        figures += _leavers(figure, key, 2008, 189, 3047)
    assert _counts(series_of(figures)) == {("leavers_without_degree", "05334", 2008): (392, 6655)}


def test_aachen_after_the_reform_is_never_counted_twice(series_of, figure):
    figures = _leavers(figure, "05334", 2015, 313, 6177) + _leavers(figure, "05334002", 2015, 152, 2842)
    assert _counts(series_of(figures)) == {("leavers_without_degree", "05334", 2015): (313, 6177)}
    figures += _leavers(figure, "05354", 2015, 161, 3335)
    assert _counts(series_of(figures)) == {("leavers_without_degree", "05334", 2015): (313, 6177)}


def test_half_of_aachen_is_not_aachen(series_of, figure):
    assert _counts(series_of(_leavers(figure, "05354", 2008, 203, 3608))) == {}
    assert _counts(series_of(_leavers(figure, "05334002", 2008, 189, 3047))) == {}


def test_rates_of_aachen_are_never_added(series_of, figure):
    figures = [figure(key, 2008, "5.5", "INKAR", "", RATE) for key in ("05354", "05334002")]
    assert series_of(figures).rows("SELECT * FROM staging.official_rate") == []


def test_a_table_delivered_twice_counts_once_and_the_newer_wins(series_of, figure):
    old, new = _leavers(figure, "05114", 2015, 110, 1900), _leavers(figure, "05114", 2015, 120, 2000)
    assert _counts(series_of(old, new)) == {("leavers_without_degree", "05114", 2015): (120, 2000)}
    assert _counts(series_of(new, old)) == {("leavers_without_degree", "05114", 2015): (110, 1900)}


def test_a_newer_delivery_may_add_years(series_of, figure):
    series = series_of(_leavers(figure, "05114", 2015, 1, 20), _leavers(figure, "05114", 2016, 2, 30))
    assert {key[2] for key in _counts(series)} == {2015, 2016}


def test_children_in_care_are_compared_with_the_population_of_the_31_december_before(series_of, figure):
    figures = [
        figure("05114", 2016, 500, "22543-01-02-4", "Insgesamt (ohne Doppelzählungen)", CARE),
        figure("05114", 2015, 2500, "12411-02-03-4", "unter 3 Jahre", "Insgesamt"),
        figure("05114", 2016, 9999, "12411-02-03-4", "unter 3 Jahre", "Insgesamt"),
    ]
    assert _counts(series_of(figures)) == {("kita_under_3", "05114", 2016): (500, 2500)}


def test_children_in_care_are_compared_with_the_births_of_three_years(series_of, figure):
    figures = [figure("05114", year, 1000 + year) for year in range(2005, 2012)]
    figures += [
        figure("05114", 2010, 300, "22543-01-01-4", "Tageseinrichtung", CARE),
        figure("05114", 2010, 40, "22543-01-01-4", "Tagespflege", CARE),
        figure("05114", 2010, 340, "22543-01-01-4", "Insgesamt", CARE),
        figure("05114", 2011, 350, "22543-01-02-4", "Tageseinrichtung", CARE),
        figure("05114", 2011, 50, "22543-01-02-4", "Tagespflege", CARE),
        figure("05114", 2012, 350, "22543-01-02-4", "Tageseinrichtung", CARE),
    ]
    assert _counts(series_of(figures)) == {
        ("kita_under_3_of_births", "05114", 2010): (340, 3 * 1000 + 2007 + 2008 + 2009),
        ("kita_under_3_of_births", "05114", 2011): (400, 3 * 1000 + 2008 + 2009 + 2010),
    }


def test_births_over_the_reform_of_aachen_are_added_year_by_year(series_of, figure):
    figures = [figure(key, year, 100) for key in ("05354", "05334002") for year in range(2006, 2009)]
    figures += [figure("05334", 2009, 300), figure("05334002", 2009, 100)]
    figures += [
        figure("05334", 2010, 150, "22543-01-01-4", "Tageseinrichtung", CARE),
        figure("05334", 2010, 50, "22543-01-01-4", "Tagespflege", CARE),
    ]
    assert _counts(series_of(figures)) == {("kita_under_3_of_births", "05334", 2010): (200, 200 + 200 + 300)}


def test_a_gap_in_the_births_leaves_the_year_out(series_of, figure):
    figures = [figure("05114", year, None if year == 2008 else 1000) for year in range(2005, 2012)]
    figures += [figure("05114", 2010, 300, "22543-01-01-4", part, CARE) for part in ("Tageseinrichtung", "Tagespflege")]
    assert _counts(series_of(figures)) == {}


def test_rates_become_shares_without_numbers_of_children(series_of, figure):
    series = series_of(
        [figure("05114", 2015, "6.25", "INKAR", "", RATE), figure("09162", 2015, "5", "INKAR", "", RATE)]
    )
    rate = "leavers_without_degree_inkar"
    assert series.rows("SELECT * FROM staging.official_rate ORDER BY kreis") == [
        (rate, "05114", 2015, 0.0625),
        (rate, "09162", 2015, 0.05),
    ]
    assert series.rows("SELECT * FROM cells.official_rate") == [(rate, "05114", 2015, 0.0625)]


def test_covariates(series_of, figure):
    measure = (
        "dar.: Regelleistungsberechtigte nach dem SGB II | nicht erwerbsf. Leistungsberech. (Sozialgeld)"
        " | unter 15 Jahre | Anzahl"
    )
    figures = [figure("05114", year, 100) for year in range(1996, 2011)]
    figures += [figure("05114", year, 300, "22811-02-02-4", "", measure) for year in (2010, 2011)]
    values = series_of(figures).rows("SELECT covariate, year, value FROM staging.official_covariate WHERE year > 2009")
    assert values == [("births", 2010, 100.0), ("sgb2_under_15", 2010, 0.2)]


def test_more_counted_than_there_are_is_no_share(series_of, figure):
    series = series_of(_leavers(figure, "05114", 2015, 30, 20))
    assert len(_counts(series)) == 1
    assert series.rows("SELECT * FROM cells.official") == []


def test_the_rules_of_a_series_never_overlap(series_of):
    """No two rules of one series and role take the same figure for the same year."""
    overlaps = series_of([]).rows("""
        SELECT a.series FROM reference.official_series a JOIN reference.official_series b
            ON a.series = b.series AND a.role = b.role AND a.table_code = b.table_code
            AND a.characteristics = b.characteristics AND a.measure = b.measure
            AND (a.first_year, a.first_offset) < (b.first_year, b.first_offset)
            AND a.last_year >= b.first_year""")
    assert overlaps == []
