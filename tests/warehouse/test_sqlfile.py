"""The header of a SQL file is a contract: each form of header, good and broken."""

from pathlib import Path

import pytest

from kkz_eval.errors import ContractError, WarehouseError
from kkz_eval.warehouse import Column, build_table, in_memory, read_catalog, read_sql_file

HEADER = """-- One row per place and year.
--
-- key: place, year
--
-- place  id     key of the place
-- year   year   calendar year
-- n      count  children
-- Source: a remark that is no column.
--
-- last year means nothing here: remarks after an empty line are never columns.
"""


def sql_file(tmp_path: Path, text: str, table: str = "example"):
    folder = tmp_path / "cells"
    folder.mkdir(exist_ok=True)
    path = folder / f"{table}.sql"
    path.write_text(text, encoding="utf-8")
    connection = in_memory()
    connection.execute("CREATE SCHEMA cells; CREATE SCHEMA ledger; CREATE SCHEMA staging")
    return connection, read_sql_file(path, connection)


def test_header_gives_grain_key_and_columns(tmp_path: Path) -> None:
    _, file = sql_file(tmp_path, HEADER + "SELECT 'a' AS place, 2012 AS year, 3 AS n")
    assert file.name == "cells.example"
    assert file.grain == "One row per place and year."
    assert file.key == ("place", "year")
    assert file.columns == (
        Column("place", "id", "key of the place"),
        Column("year", "year", "calendar year"),
        Column("n", "count", "children"),
    )


def test_reads_come_from_the_query_not_from_a_list(tmp_path: Path) -> None:
    query = """
        WITH part AS (SELECT * FROM staging.child)
        SELECT place, year, n FROM part
        JOIN reference.kreis USING (place)
        WHERE year IN (SELECT year FROM plan.wave) AND n > (SELECT max(n) FROM cells.other)
        UNION ALL SELECT place, year, n FROM intake.official_figure
    """
    _, file = sql_file(tmp_path, HEADER + query)
    assert file.reads == {"staging.child", "reference.kreis", "plan.wave", "cells.other", "intake.official_figure"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1 AS place", "line 1"),
        ("-- A grain.\nSELECT 1 AS place", "key"),
        ("-- A grain.\n-- key: place\n-- year  year  a year\nSELECT 1", "key column place"),
        (HEADER.replace("-- n      count", "-- year   count") + "SELECT 1", "described twice"),
        (HEADER + "SELECT * FROM somewhere", "schema before the table somewhere"),
        (HEADER + "SELEC 1", "query line 1"),
        (HEADER + "CREATE TABLE x AS SELECT 1", "not one SELECT"),
    ],
)
def test_broken_files_are_refused_with_file_and_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WarehouseError, match=said) as refusal:
        sql_file(tmp_path, text)
    assert "example.sql" in str(refusal.value)


def test_building_writes_comments_and_counts_rows(tmp_path: Path) -> None:
    connection, file = sql_file(tmp_path, HEADER + "SELECT 'a' AS place, 2012 AS year, 3 AS n")
    result = build_table(connection, file)
    assert result.n_rows == 1
    assert result.types == {"place": "VARCHAR", "year": "INTEGER", "n": "INTEGER"}
    comments = connection.execute("SELECT comment FROM duckdb_columns() WHERE table_name = 'example'").fetchall()
    assert comments == [("key of the place [id]",), ("calendar year [year]",), ("children [count]",)]
    assert connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'example'").fetchall() == [
        ("One row per place and year.",)
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 'a' AS place, 2012 AS year", "missing: n"),
        ("SELECT 'a' AS place, 2012 AS year, 3 AS n, 4 AS more", "not described: more"),
        ("SELECT 2012 AS year, 'a' AS place, 3 AS n", "other order"),
        ("SELECT 'a' AS place, 2012 AS year, x AS n FROM (VALUES (1), (2)) AS t(x)", "1 rows repeat a key"),
        ("SELECT NULL AS place, 2012 AS year, 3 AS n", "1 rows lack a part of the key"),
    ],
)
def test_a_broken_contract_leaves_the_table_of_before(tmp_path: Path, query: str, said: str) -> None:
    connection, good = sql_file(tmp_path, HEADER + "SELECT 'old' AS place, 2012 AS year, 3 AS n")
    build_table(connection, good)
    bad = type(good)(**{**good.__dict__, "query": query})
    with pytest.raises(ContractError, match=said):
        build_table(connection, bad)
    assert connection.execute("SELECT place FROM cells.example").fetchall() == [("old",)]


def test_errors_of_values_never_tell_the_value(tmp_path: Path) -> None:
    connection, file = sql_file(
        tmp_path, HEADER + "SELECT 'a' AS place, CAST('secret-canary' AS INTEGER) AS year, 3 AS n"
    )
    with pytest.raises(WarehouseError) as refusal:
        build_table(connection, file)
    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_fingerprint_changes_with_the_input_and_only_then(tmp_path: Path) -> None:
    query = "SELECT place, year, n FROM cells.source"
    connection, file = sql_file(tmp_path, HEADER + query)
    source = HEADER + "SELECT 'a' AS place, 2012 AS year, {} AS n"
    prints = []
    for number in (3, 3, 4):
        path = tmp_path / "cells" / "source.sql"
        path.write_text(source.format(number), encoding="utf-8")
        build_table(connection, read_sql_file(path, connection))
        prints.append(build_table(connection, file).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_the_catalogue_of_the_project_is_in_building_order() -> None:
    catalog = read_catalog()
    built: set[str] = set()
    for name, file in catalog.items():
        assert not (file.reads & catalog.keys()) - built, f"{name} is built before something it reads"
        built.add(name)


def test_tables_that_read_each_other_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    for table, other in (("one", "two"), ("two", "one")):
        (folder / f"{table}.sql").write_text(f"-- Grain.\n-- key: n\n-- n  number  n\nSELECT n FROM cells.{other}")
    with pytest.raises(WarehouseError, match="circle"):
        read_catalog(tmp_path)
