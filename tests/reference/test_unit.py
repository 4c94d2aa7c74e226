"""The role of every unit under different plans."""

from collections import Counter


def _units(reference):
    return reference.columns("SELECT unit, wave, dose, role, reason FROM reference.unit")


def test_gemeinden_with_their_kreis(plan_of):
    with plan_of(unit="ags", rule="with_kreis") as reference:
        units = _units(reference)
        start = dict(reference.rows("SELECT ags, wave_with_kreis FROM reference.gemeinde_start"))
    assert len(units) == 396
    for ags, (wave, dose, role, _) in units.items():
        studied = start[ags] if start[ags] in (2012, 2017) else None
        assert (wave, role) == (studied, "treated" if studied else "never")
        assert dose == (1.0 if studied else 0.0)


def test_gemeinden_named_only(plan_of):
    with plan_of(unit="ags", rule="named") as reference:
        units = _units(reference)
    assert Counter(role for _, _, role, _ in units.values()) == {"treated": 29, "never": 367}
    assert units["05562014"][:3] == (2012, 1.0, "treated")  # Gladbeck
    assert units["05562032"][:3] == (None, 0.0, "never")  # Recklinghausen joins only with its Kreis


def test_kreise_have_the_groups_of_the_design(plan_of):
    with plan_of(unit="kreis") as reference:
        units = _units(reference)
        group = dict(reference.rows("SELECT kreis, kreis_group FROM reference.kreis_start WHERE rule = 'with_kreis'"))
    role_of = {"A": (2012, "treated"), "B": (2017, "treated"), "C": (None, "never"), "D": (None, "partial")}
    assert {unit: (wave, role) for unit, (wave, _, role, _) in units.items()} == {
        k: role_of[g] for k, g in group.items()
    }


def test_partial_kreise_keep_their_dose_and_a_reason(plan_of):
    with plan_of(unit="kreis") as reference:
        units = _units(reference)
        dose = dict(
            reference.rows("SELECT kreis, dose FROM reference.kreis_dose WHERE rule = 'with_kreis' AND wave = 2017")
        )
    partial = {unit: row for unit, row in units.items() if row[2] == "partial"}
    assert len(partial) == 9
    assert all(row[1] == dose[unit] and row[3] for unit, row in partial.items())


def test_a_later_wave_in_the_plan_makes_kreise_partial_or_treated(plan_of):
    with plan_of(unit="kreis", waves=(2012, 2017, 2020)) as reference:
        units = _units(reference)
    assert units["05166"][2] == "partial"  # Viersen: Kempen in 2020
    assert units["05974"][:3] == (2020, 1.0, "treated")  # Soest
    assert units["05314"][:3] == (2020, 1.0, "treated")  # Bonn
    assert units["05370"][:3] == (None, 0.0, "never")


def test_an_earlier_wave_that_the_plan_leaves_out_is_not_a_control(plan_of):
    for unit in ("ags", "kreis"):
        with plan_of(unit=unit, waves=(2017,)) as reference:
            units = _units(reference)
        key = "05111000" if unit == "ags" else "05111"
        assert units[key][0] is None
        assert units[key][2] == "excluded"
        assert "2012" in units[key][3]
        bonn = "05314000" if unit == "ags" else "05314"
        assert units[bonn][2] == "never"
        assert "2020" in units[bonn][3]


def test_a_kreis_that_was_partial_before_the_only_wave_is_partial(plan_of):
    with plan_of(unit="kreis", waves=(2017,)) as reference:
        assert _units(reference)["05562"][2] == "partial"


def test_units_excluded_by_the_plan_keep_the_reason_of_the_plan(plan_of):
    with plan_of(unit="ags", excluded=(("05954036", "may have left"), ("05113000", "test"))) as reference:
        units = _units(reference)
    assert units["05954036"][2:] == ("excluded", "may have left")
    assert units["05113000"][2:] == ("excluded", "test")
    assert sum(role == "excluded" for _, _, role, _ in units.values()) == 2
