#!/usr/bin/env python3
"""Tests of grid.py; `make clients` runs them first."""

import unittest
from unittest import mock

import grid

RUN = grid.Run("2026-01-02", "6.1.0", "2", "20000")
LATER = grid.Run("2026-02-03", "6.2.0", "4", "1000")
REASONS = {
    "old": {"zstd": {"en": "older than zstd", "zh": "早于 zstd"}},
    "tools": {"all": {"en": "its own steps", "zh": "自己的步骤"}},
}


COLUMNS = tuple(grid.COLUMNS)


def all_passed(client, *but):
    return plain_passed(client, *but) + secure_passed(client)


def plain_passed(client, *but):
    return [[client, "PASS", f"{name}: fine [0.1 s]"] for name in grid.PLAIN if name not in but]


def secure_passed(client):
    return [[client, "PASS", f"{way}: none: fine [0.1 s]"] for way in ("ssl", "sasl-plain")]


def rows(lines, run=RUN):
    return grid.rows_of_run(lines, run)


def page(of, language="en"):
    return grid.START + grid.for_page(of, REASONS, language) + grid.END


class GridTest(unittest.TestCase):
    def test_a_step_belongs_to_the_column_its_name_begins_with(self):
        row = rows([["a", "PASS", "none: written"], ["a", "PASS", "none at all"]])["a"]
        self.assertEqual(({"none": "pass"}, 1), (row.cells, row.others))

    def test_one_failed_step_fails_the_cell_whatever_comes_after(self):
        row = rows([["a", "PASS", "none: 1"], ["a", "FAIL", "none: 2"], ["a", "PASS", "none: 3"]])
        self.assertEqual({"none": "FAIL"}, row["a"].cells)

    def test_the_steps_of_the_broker_are_no_row(self):
        self.assertEqual({}, rows([["broker", "PASS", "stops cleanly"]]))

    def test_an_empty_cell_needs_a_reason(self):
        found = grid.holes(rows(all_passed("new", "lz4", "zstd")), REASONS, COLUMNS)
        self.assertEqual(["new: no step for lz4, zstd, and its without.txt does not say why"], found)
        self.assertEqual([], grid.holes(rows(all_passed("old", "zstd")), REASONS, COLUMNS))

    def test_a_reason_needs_an_empty_cell(self):
        found = grid.holes(rows(all_passed("old")), REASONS, COLUMNS)
        self.assertEqual(["old: its without.txt denies zstd, but there it is"], found)

    def test_steps_of_another_kind_have_no_columns(self):
        self.assertEqual([], grid.holes(rows([["tools", "PASS", "list"]]), REASONS, COLUMNS))

    def test_a_page_is_read_as_it_was_printed(self):
        lines = all_passed("old", "zstd") + all_passed("new") + [["tools", "PASS", "list"]]
        lines += [["new", "VERSION", "1.2 (lib 3.4)"], ["new", "PASS", "build"]]
        printed = rows(lines)
        self.assertEqual(printed, grid.rows_of_page(page(printed)))

    def test_a_page_from_before_a_column_has_no_cell_there(self):
        before = {name: heads for name, heads in grid.COLUMNS.items() if name != "offset"}
        with mock.patch.object(grid, "COLUMNS", before):
            old_page = page(rows(all_passed("new", "offset")))
        old = grid.rows_of_page(old_page)
        self.assertEqual(rows(all_passed("new", "offset")), old)
        self.assertEqual(old, grid.rows_of_page(page(old)))
        self.assertEqual([], grid.regressions(old, rows(all_passed("new")), COLUMNS, is_full=True))

    def test_a_cell_that_fails_or_is_missing_is_a_regression(self):
        old = grid.rows_of_page(page(rows(all_passed("new"))))
        now = rows(all_passed("new", "gzip", "lz4") + [["new", "FAIL", "gzip: wrong"]])
        wanted = ["new: gzip, lz4 passed on the page, and not in this run"]
        self.assertEqual(wanted, grid.regressions(old, now, COLUMNS, is_full=False))

    def test_fewer_other_steps_are_a_regression(self):
        old = rows([["tools", "PASS", "list"], ["tools", "PASS", "describe"]])
        now = rows([["tools", "PASS", "list"]])
        self.assertEqual(
            ["tools: 2 other steps on the page, now 1"],
            grid.regressions(old, now, COLUMNS, is_full=True),
        )

    def test_a_row_may_be_missing_only_from_a_run_of_some(self):
        old = rows(all_passed("new"))
        self.assertEqual([], grid.regressions(old, {}, COLUMNS, is_full=False))
        self.assertEqual(
            ["new: the page has it, and it did not run"],
            grid.regressions(old, {}, COLUMNS, is_full=True),
        )

    def test_a_way_counts_its_steps_and_sums_up_in_its_column(self):
        lines = [["a", "PASS", "ssl: build"], ["a", "PASS", "ssl: none: written [1.0 s]"]]
        lines += [["a", "PASS", "ssl-certificate: no-certificate"], ["a", "FAIL", "sasl-plain: none: why"]]
        row = rows(lines + [["a", "PASS", "sasl-plain: group: fine"]])["a"]
        self.assertEqual({"ssl": 1, "ssl-certificate": 1, "sasl-plain": "FAIL"}, row.ways)
        self.assertEqual(({"ssl": "pass", "sasl": "FAIL"}, 0), (row.cells, row.others))

    def test_what_did_not_run_is_no_regression_and_stays(self):
        old = grid.rows_of_page(page(rows(all_passed("new") + [["tools", "PASS", "list"]])))
        secure, plain = rows(secure_passed("new"), LATER), rows(plain_passed("new"), LATER)
        self.assertEqual([], grid.regressions(old, secure, grid.SECURE, is_full=True))
        self.assertEqual([], grid.regressions({"new": old["new"]}, plain, grid.PLAIN, is_full=True))
        both = grid.merged(old, old | secure)["new"]
        self.assertEqual((RUN, LATER), (both.run, both.ways_run))
        self.assertEqual(old["new"].cells, both.cells)
        both = grid.merged(old, old | plain)["new"]
        self.assertEqual((LATER, RUN), (both.run, both.ways_run))

    def test_a_client_takes_a_way_or_says_why_not(self):
        of_plaintext = rows(plain_passed("old") + [["tools", "PASS", "list"]])
        wanted = "old: it took no way over TLS or with SASL, and its without.txt does not say why"
        self.assertEqual([wanted], grid.without_way(of_plaintext, REASONS))
        why = {"old": {column: {"en": "none", "zh": "没有"} for column in grid.SECURE}}
        self.assertEqual([], grid.without_way(of_plaintext, REASONS | why))
        self.assertEqual([], grid.without_way(rows(secure_passed("old")), REASONS))

    def test_fewer_steps_in_a_way_are_a_regression(self):
        old = rows(secure_passed("new") + [["new", "PASS", "ssl: group: fine"]])
        self.assertEqual(
            ["new: 2 steps of ssl on the page, now 1"],
            grid.regressions(old, rows(secure_passed("new")), grid.SECURE, is_full=True),
        )

    def test_rows_of_two_runs_name_theirs(self):
        printed = page(rows(all_passed("a")) | rows(all_passed("b"), LATER))
        self.assertIn("Run a: 2026-01-02, Linux 6.1.0, 2 cores, 20000 records", printed)
        self.assertIn("Run b: 2026-02-03, Linux 6.2.0, 4 cores, 1000 records", printed)
        self.assertEqual([RUN, LATER], [row.run for row in grid.rows_of_page(printed).values()])

    def test_the_same_reason_is_told_once(self):
        reasons = {name: REASONS["old"] for name in ("a", "b")}
        printed = grid.for_page(
            rows(all_passed("a", "zstd") + all_passed("b", "zstd")), reasons, "zh"
        )
        self.assertEqual(1, printed.count("早于 zstd"))
        self.assertEqual(2, printed.count("- (1)"))


if __name__ == "__main__":
    unittest.main()
