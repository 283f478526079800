#!/usr/bin/env python3
"""The grid of clients and steps: prints that of a run, holds it to the one on the pages, and puts
it there if nothing has got worse.

    grid.py [--full] [--plain] [--secure] [--smoke] [--write] RESULTS PAGE...

RESULTS has a line for each thing that run.sh heard of a client: client, kind (PASS, FAIL, VERSION,
SECONDS) and text, with tabs between them. --full says that all clients ran, so that a row of the
page that did not come has vanished; --plain, that they ran without security, --secure, in all ways
over TLS and with SASL, --smoke, in one of these at least: what did not run stays on the page as it
is. The first page is the English one; it is the one that is read.

A step belongs to the column that its name begins with, up to a colon; in the second table, to the
way to the broker that it begins with. A client that has no step for a column says why in its
without.txt. Ends with status 1 if a step failed, if a cell is empty without a reason, or if
something that the page shows as passed did not pass.
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
    "ssl": ("SSL", "SSL"),
    "sasl": ("SASL", "SASL"),
}
# Of these two a cell sums up the ways of the second table that begin with its name.
SECURE = ("ssl", "sasl")
PLAIN = tuple(column for column in COLUMNS if column not in SECURE)

# The ways to the broker, whose names are those of security.sh.
WAYS = {
    "ssl": ("SSL", "SSL"),
    "ssl-certificate": ("SSL, client certificate", "SSL，客户端证书"),
    "sasl-plain": ("SASL_PLAINTEXT: PLAIN", "SASL_PLAINTEXT：PLAIN"),
    "sasl-scram-256": ("SCRAM-SHA-256", "SCRAM-SHA-256"),
    "sasl-scram-512": ("SCRAM-SHA-512", "SCRAM-SHA-512"),
    "sasl-ssl-plain": ("SASL_SSL: PLAIN", "SASL_SSL：PLAIN"),
    "sasl-ssl-scram-256": ("SASL_SSL: SCRAM-SHA-256", "SASL_SSL：SCRAM-SHA-256"),
    "sasl-ssl-scram-512": ("SASL_SSL: SCRAM-SHA-512", "SASL_SSL：SCRAM-SHA-512"),
}
REFUSALS = {
    "unknown-authority": ("it does not trust the certificate of the broker", "不信任签发 broker 证书的 CA"),
    "no-certificate": ("it shows no certificate", "没有出示证书"),
    "unknown-certificate": ("the broker does not trust its certificate", "broker 不信任签发它的证书的 CA"),
    "wrong-password": ("its password is wrong", "密码错误"),
}
# Steps before those that go to the broker.
BUILDING = ("build", "install ", "header ")
# In a without.txt: the steps are of another kind, and only their number is shown.
ALL_COLUMNS = "all"

START, END = "<!-- printed: grid -->\n", "<!-- end of grid -->"

TEXTS = {
    "en": {
        "head": ["client", "version", "other steps", "run"],
        "table": "Each of these passed its own steps:",
        "others": ["program", "version", "steps passed", "run", "what it is"],
        "ways": "How many steps passed over TLS and with SASL: all steps in the columns SSL and SASL_SSL with "
        "SCRAM-SHA-512, and a few in the others.",
        "refusals": "What each of them says, or logs, when it is refused:",
        "run": "- Run {run}: {date}, Linux {kernel}, {cores} cores, {records} records in a large step.",
    },
    "zh": {
        "head": ["客户端", "版本", "其他步骤", "运行"],
        "table": "下面这些程序有自己的步骤，全部通过：",
        "others": ["程序", "版本", "通过的步骤", "运行", "是什么"],
        "ways": "经过 TLS 和 SASL 时各通过多少步：SSL 与 SASL_SSL 加 SCRAM-SHA-512 两列跑全部步骤，其余各列跑其中几步。",
        "refusals": "被拒绝时，各客户端自己的报错（或日志）：",
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
    seconds: int = 0
    run: Run = None
    ways: dict = field(default_factory=dict)  # way -> steps passed, or "FAIL"
    ways_run: Run = None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--secure", action="store_true")
    parser.add_argument("--smoke", action="store_true")
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
    columns = (PLAIN if given.plain else ()) + (SECURE if given.secure else ())
    worse = holes(rows, reasons, columns) + regressions(old, rows, columns, given.full)
    worse += without_way(rows, reasons) if given.smoke else []
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
        kept = {} if given.full and given.plain else old
        for page in given.pages:
            write_into(page, for_page(merged(old, kept | rows), reasons, page.parent.name))


def clients():
    return sorted(script.parent.name for script in CLIENTS.glob("*/run.sh"))


def rows_of_run(lines, run):
    """The rows of the clients that ran. `broker` is none: its steps are the suite's own."""
    rows = {}
    for client, kind, text in lines:
        if client == "broker":
            continue
        row = rows.setdefault(client, Row(client))
        column, *name = text.split(": ", 1)
        if kind == "VERSION":
            row.version = text
        elif kind == "SECONDS":
            row.seconds += int(text)
        elif column in WAYS:
            row.ways_run = run
            add_to_way(row.ways, column, kind == "PASS", name[0])
        else:
            row.run = run
            add_step(row, column, kind == "PASS")
    for row in rows.values():
        row.cells |= cells_of_ways(row.ways)
    return rows


def add_to_way(ways, way, has_passed, name):
    before = ways.setdefault(way, 0)
    if not has_passed:
        ways[way] = "FAIL"
    elif before != "FAIL" and not name.startswith(BUILDING):
        ways[way] += 1


def add_step(row, column, has_passed):
    if column in COLUMNS:
        has_passed &= row.cells.get(column) != "FAIL"
        row.cells[column] = "pass" if has_passed else "FAIL"
    elif has_passed:
        row.others += 1


def cells_of_ways(ways):
    cells = {}
    for column in SECURE:
        results = [result for way, result in ways.items() if way.split("-")[0] == column]
        if results:
            cells[column] = "FAIL" if "FAIL" in results else "pass"
    return cells


def merged(old, rows):
    """The rows, with what they have not, because it did not run, as it was before."""
    result = {}
    for client, row in rows.items():
        before = old.get(client, Row(client))
        ways = before.ways | row.ways
        result[client] = Row(
            client,
            row.version,
            (row if row.run else before).cells | cells_of_ways(ways),
            (row if row.run else before).others,
            run=row.run or before.run or row.ways_run,
            ways=ways,
            ways_run=row.ways_run or before.ways_run,
        )
    return result


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


def holes(rows, reasons, columns):
    """Cells that are empty for no reason, and reasons for cells that are not empty."""
    found = []
    for client, row in rows.items():
        if is_of_another_kind(client, reasons):
            continue
        why = reasons.get(client, {})
        empty = [column for column in columns if column not in row.cells and column not in why]
        if empty:
            found.append(f"{client}: no step for {named(empty)}, and its without.txt does not say why")
        there = [column for column in row.cells if column in why]
        if there:
            found.append(f"{client}: its without.txt denies {named(there)}, but there it is")
    return found


def without_way(rows, reasons):
    """Clients that took no way over TLS or with SASL, for no reason."""
    return [
        f"{client}: it took no way over TLS or with SASL, and its without.txt does not say why"
        for client, row in rows.items()
        if not row.ways
        and not is_of_another_kind(client, reasons)
        and not all(column in reasons.get(client, {}) for column in SECURE)
    ]


def regressions(old, new, columns, is_full):
    """What the page shows as passed, and this run, which is about these columns, has not."""
    found = []
    for client, before in old.items():
        now = new.get(client)
        passed = [column for column in columns if before.cells.get(column) == "pass"]
        is_plain = any(column in PLAIN for column in columns)
        if now is None:
            if is_full and (passed or is_plain):
                found.append(f"{client}: the page has it, and it did not run")
            continue
        lost = [column for column in passed if now.cells.get(column) != "pass"]
        if lost:
            found.append(f"{client}: {named(lost)} passed on the page, and not in this run")
        if is_plain and now.others < before.others:
            found.append(f"{client}: {before.others} other steps on the page, now {now.others}")
        for way, steps in now.ways.items():
            if steps != "FAIL" and steps < before.ways.get(way, 0):
                found.append(f"{client}: {before.ways[way]} steps of {way} on the page, now {steps}")
    return found


def named(columns):
    return ", ".join(columns)


def for_terminal(rows, reasons):
    lines = [["client", "version", *COLUMNS, "others", "seconds"]]
    for client, row in rows.items():
        of_another_kind = is_of_another_kind(client, reasons)
        cells = [row.cells.get(column, " " if of_another_kind else "-") for column in COLUMNS]
        lines.append([client, row.version, *cells, str(row.others), str(row.seconds)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    notes = [
        f"{client} has no {column}: {reasons[client][column]['en']}"
        for client in rows
        for column in reasons.get(client, {})
        if column != ALL_COLUMNS
    ]
    ways = [
        f"{client}: " + ", ".join(f"{way} {steps}" for way, steps in row.ways.items())
        for client, row in rows.items()
        if row.ways
    ]
    return "\n".join(["", *text, "", *notes, *ways])


def for_page(rows, reasons, language):
    """Both tables, the reasons and the runs; `language` is en or zh."""
    texts, which = TEXTS[language], ["en", "zh"].index(language)
    rows = dict(sorted(rows.items()))
    runs = {row.run for row in rows.values()} | {row.ways_run for row in rows.values() if row.ways}
    runs = sorted(runs)
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
    parts += tables_of_ways(rows, letter, texts, which)
    parts += ["\n".join(texts["run"].format(run=letter[run], **vars(run)) for run in runs)]
    return "\n\n".join(filter(None, parts))


def tables_of_ways(rows, letter, texts, which):
    """The steps in each way, and what the clients say when they are refused."""
    client, _, _, run = texts["head"]
    taken = [[client, *(head[which] for head in WAYS.values()), run]]
    said = [[client, *(head[which] for head in REFUSALS.values())]]
    for name, row in rows.items():
        if row.ways:
            cells = [str(row.ways.get(way, "-")) for way in WAYS]
            taken.append([name, *cells, letter[row.ways_run]])
            words = read_refusals(CLIENTS / name)
            said.append([name, *(words.get(refusal, "-") for refusal in REFUSALS)])
    if len(taken) == 1:
        return []
    for lines in (taken, said):
        lines.insert(1, ["---"] * len(lines[0]))
    return [texts["ways"], table(taken), texts["refusals"], table(said)]


def read_refusals(client):
    """The lines `refusal: words` of a client's refusals.txt, the words as code."""
    file = client / "refusals.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.split(": ", 1) for line in lines)
    return {refusal: f"`{words}`" for refusal, words in pairs}


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
            there = dict(zip(heads, cells))
            if "version" in there:
                row = row_of_page(there, runs)
                rows[row.client] = row
            elif "run" in there:
                read_ways(rows[there["client"]], there, runs)
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


def read_ways(row, cells, runs):
    there = {way: cells.get(head, "-") for way, (head, _) in WAYS.items()}
    row.ways = {way: int(steps) for way, steps in there.items() if steps != "-"}
    row.ways_run = runs[cells["run"]]


def write_into(page, grid):
    text = page.read_text()
    start, end = text.index(START) + len(START), text.index(END)
    page.write_text(f"{text[:start]}\n{grid}\n{text[end:]}")


if __name__ == "__main__":
    main()
