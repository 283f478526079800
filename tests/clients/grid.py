#!/usr/bin/env python3
"""The grid of clients and steps: prints that of a run, holds it to the one on the pages, and puts
it there if nothing has got worse.

    grid.py [--full] [--write] RESULTS PAGE...

RESULTS has a line for each thing that run.sh heard of a client: client, kind (PASS, FAIL, VERSION,
SECONDS) and text, with tabs between them. --full says that all clients ran, so that a row of the
page that did not come has vanished. The first page is the English one; it is the one that is read.

A step belongs to the column that its name begins with, up to a colon. A client that has no step for
a column says why in its without.txt. Ends with status 1 if a step failed, if a cell is empty without
a reason, or if something that the page shows as passed did not pass.
"""

import argparse
import datetime
import os
import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent

# What a step's name begins with, and the heads on the pages.
COLUMNS = {
    "create": ("create", "创建"),
    "none": ("none", "不压缩"),
    "gzip": ("gzip", "gzip"),
    "snappy": ("snappy", "snappy"),
    "lz4": ("lz4", "lz4"),
    "zstd": ("zstd", "zstd"),
    "offset": ("from an offset", "从指定的偏移量读"),
    "timestamp": ("from a timestamp", "从时间戳读"),
    "retry": ("idempotent retry", "幂等重试"),
    "group": ("group, rebalance, kill -9", "消费者组、再均衡、kill -9"),
    "resume": ("commit and resume", "提交后续读"),
    "wide": ("60 partitions", "60 个分区"),
    "delete": ("delete", "删除"),
}
# In a without.txt: the steps are of another kind, and only their number is shown.
ALL_COLUMNS = "all"

START, END = "<!-- printed: grid -->\n", "<!-- end of grid -->"

TEXTS = {
    "en": {
        "head": ["client", "version", "other steps", "run"],
        "table": "Each of these passed its own steps:",
        "others": ["program", "version", "steps passed", "run", "what it is"],
        "run": "- Run {run}: {date}, Linux {kernel}, {cores} cores, {records} records in a large step.",
    },
    "zh": {
        "head": ["客户端", "版本", "其他步骤", "运行"],
        "table": "下面这些程序有自己的步骤，全部通过：",
        "others": ["程序", "版本", "通过的步骤", "运行", "是什么"],
        "run": "- 运行 {run}：{date}，Linux {kernel}，{cores} 核，大步骤各 {records} 条消息。",
    },
}


@dataclass(frozen=True, order=True)
class Run:
    """Where and when a row came about."""

    date: str
    kernel: str
    cores: str
    records: str


@dataclass
class Row:
    """What is known of a client."""

    client: str
    version: str = "?"
    cells: dict = field(default_factory=dict)  # column -> "pass" or "FAIL"
    others: int = 0  # steps passed outside of the columns
    seconds: str = ""
    run: Run = None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("results", type=Path)
    parser.add_argument("pages", type=Path, nargs="+")
    given = parser.parse_args()
    lines = [line.split("\t", 2) for line in given.results.read_text().splitlines()]
    kernel = platform.release().split("-")[0]
    now = Run(str(datetime.date.today()), kernel, str(os.cpu_count()), os.environ["RECORDS"])
    rows = rows_of_run(lines, now)
    reasons = {client: read_reasons(CLIENTS / client) for client in clients()}
    old = rows_of_page(given.pages[0].read_text())
    failed = [f"{client}: {text}" for client, kind, text in lines if kind == "FAIL"]
    worse = holes(rows, reasons) + regressions(old, rows, given.full)
    print(for_terminal(rows, reasons))
    for what in failed:
        print(f"FAIL  {what}")
    for what in worse:
        print(f"GRID  {what}")
    passed = sum(kind == "PASS" for _, kind, _ in lines)
    print(f"\n{passed} steps passed, {len(failed)} failed, {len(worse)} complaints about the grid")
    if failed or worse:
        sys.exit(1)
    if given.write:
        kept = {} if given.full else old
        for page in given.pages:
            write_into(page, for_page(kept | rows, reasons, page.parent.name))


def clients():
    return sorted(script.parent.name for script in CLIENTS.glob("*/run.sh"))


def rows_of_run(lines, run):
    """The rows of the clients that ran. `broker` is none: its steps are the suite's own."""
    rows = {}
    for client, kind, text in lines:
        if client == "broker":
            continue
        row = rows.setdefault(client, Row(client, run=run))
        column = text.split(": ")[0]
        if kind == "VERSION":
            row.version = text
        elif kind == "SECONDS":
            row.seconds = text
        elif column in COLUMNS:
            has_passed = kind == "PASS" and row.cells.get(column) != "FAIL"
            row.cells[column] = "pass" if has_passed else "FAIL"
        elif kind == "PASS":
            row.others += 1
    return rows


def read_reasons(client):
    """The lines `column: reason in English | reason in Chinese` of a client's without.txt."""
    file = client / "without.txt"
    reasons = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        if line and not line.startswith("#"):
            column, reason = line.split(": ", 1)
            english, chinese = reason.split(" | ")
            reasons[column] = {"en": english, "zh": chinese}
    return reasons


def is_of_another_kind(client, reasons):
    return ALL_COLUMNS in reasons.get(client, {})


def holes(rows, reasons):
    """Cells that are empty for no reason, and reasons for cells that are not empty."""
    found = []
    for client, row in rows.items():
        if is_of_another_kind(client, reasons):
            continue
        why = reasons.get(client, {})
        empty = [column for column in COLUMNS if column not in row.cells and column not in why]
        if empty:
            found.append(f"{client}: no step for {named(empty)}, and its without.txt does not say why")
        there = [column for column in row.cells if column in why]
        if there:
            found.append(f"{client}: its without.txt denies {named(there)}, but there it is")
    return found


def regressions(old, new, is_full):
    """What the page shows as passed, and this run has not."""
    found = []
    for client, before in old.items():
        now = new.get(client)
        if now is None:
            if is_full:
                found.append(f"{client}: the page has it, and it did not run")
            continue
        passed = [column for column, cell in before.cells.items() if cell == "pass"]
        lost = [column for column in passed if now.cells.get(column) != "pass"]
        if lost:
            found.append(f"{client}: {named(lost)} passed on the page, and not in this run")
        if now.others < before.others:
            found.append(f"{client}: {before.others} other steps on the page, now {now.others}")
    return found


def named(columns):
    return ", ".join(columns)


def for_terminal(rows, reasons):
    lines = [["client", "version", *COLUMNS, "others", "seconds"]]
    for client, row in rows.items():
        of_another_kind = is_of_another_kind(client, reasons)
        cells = [row.cells.get(column, " " if of_another_kind else "-") for column in COLUMNS]
        lines.append([client, row.version, *cells, str(row.others), row.seconds])
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    notes = [
        f"{client} has no {column}: {reasons[client][column]['en']}"
        for client in rows
        for column in reasons.get(client, {})
        if column != ALL_COLUMNS
    ]
    return "\n".join(["", *text, "", *notes])


def for_page(rows, reasons, language):
    """Both tables, the reasons and the runs; `language` is en or zh."""
    texts, which = TEXTS[language], ["en", "zh"].index(language)
    rows = dict(sorted(rows.items()))
    runs = sorted({row.run for row in rows.values()})
    letter = {run: chr(ord("a") + number) for number, run in enumerate(runs)}
    notes = []

    def cell(row, column):
        if column in row.cells:
            return row.cells[column]
        if column not in reasons.get(row.client, {}):
            return ""  # the row is of a run before there was this column
        reason = reasons[row.client][column][language]
        if reason not in notes:
            notes.append(reason)
        return f"- ({notes.index(reason) + 1})"

    client, version, others, run = texts["head"]
    heads = [head[which] for head in COLUMNS.values()]
    grid = [[client, version, *heads, others, run]]
    grid.append(["---"] * len(grid[0]))
    own = [texts["others"], ["---"] * len(texts["others"])]
    for name, row in rows.items():
        if is_of_another_kind(name, reasons):
            what = reasons[name][ALL_COLUMNS][language]
            own.append([name, row.version, str(row.others), letter[row.run], what])
        else:
            cells = [cell(row, column) for column in COLUMNS]
            grid.append([name, row.version, *cells, str(row.others), letter[row.run]])
    parts = [table(grid)]
    parts += ["\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    if len(own) > 2:
        parts += [texts["table"], table(own)]
    parts += ["\n".join(texts["run"].format(run=letter[run], **vars(run)) for run in runs)]
    return "\n\n".join(filter(None, parts))


def table(lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_of_page(page):
    """The rows of both tables of the English page, with their runs."""
    printed = page[page.index(START) : page.index(END)]
    pattern = re.escape(TEXTS["en"]["run"])
    for name in ("run", "date", "kernel", "cores", "records"):
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>[^ ,]+)")
    runs = {}
    for found in re.finditer(pattern, printed):
        letter, *values = found.group("run", "date", "kernel", "cores", "records")
        runs[letter] = Run(*values)
    rows, heads = {}, []
    for line in printed.splitlines():
        cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        if cells[0] in ("client", "program"):
            heads = cells
        elif line.startswith("| ") and cells[0] != "---":
            row = row_of_page(dict(zip(heads, cells)), runs)
            rows[row.client] = row
    return rows


def row_of_page(cells, runs):
    """A row from its cells by their heads, which may be those of columns that are gone."""
    name, version, others, run = (
        next(cells[head] for head in heads if head in cells)
        for heads in zip(TEXTS["en"]["head"], TEXTS["en"]["others"])
    )
    there = {column: cells.get(head, "") for column, (head, _) in COLUMNS.items()}
    passed = {column: cell for column, cell in there.items() if cell and not cell.startswith("-")}
    return Row(name, version, passed, int(others), run=runs[run])


def write_into(page, grid):
    text = page.read_text()
    start, end = text.index(START) + len(START), text.index(END)
    page.write_text(f"{text[:start]}\n{grid}\n{text[end:]}")


if __name__ == "__main__":
    main()
