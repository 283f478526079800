"""Runs the tests of kgo, and prints a line for each that asks the broker.

    kgo_tests.py PROGRAM DIRECTORY

PROGRAM is what `go test -c` made of the package, whose source lies in DIRECTORY. A test that is
neither run nor named in left-out.txt is a failure, and so is a name there that no test has.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

LEFT_OUT = Path(__file__).with_name("left-out.txt")
RUN_DIR = Path(os.environ["RUN_DIR"])
BROKER_LOG = RUN_DIR / "broker.log"
SECONDS = 300

# Where RECORDS has its default, this is the number that the tests have by themselves: 500000.
RECORDS = 5 * int(os.environ["RECORDS"])

ENVIRONMENT = {
    "KGO_SEEDS": os.environ["BROKER"],
    "KGO_TEST_RF": "1",
    "KGO_TEST_SCRAM_SEEDS": os.environ["ADDRESS_SASL_PLAINTEXT"],
    "KGO_TEST_SCRAM": f"{os.environ['ALICE']}:{os.environ['ALICE_PASSWORD']}",
    "KGO_TEST_RECORDS": str(RECORDS),
}

# The test that moves the records. It is made to live also with CHAOS, in which a connection dies
# 0.5 to 1.5 s after it was made.
GROUP_TEST = "TestGroupETL"
CHAOS = {"KGO_TEST_CHAOS": "1"}

# The helpers of kgo's tests that know the broker's address: who calls one of them asks the broker.
ASKS = re.compile(
    r"\b((newTestClient|adm|tmpTopic|tmpTopicPartitions|tmpNamedTopicPartitions)\(|scramSeeds\b)"
)

# With one of these begins a line that go prints about a test; the others are the test's own.
MARKS = ("===", "---")

WHY_CHARACTERS = 600


@dataclass
class Result:
    """How a test or a subtest ended: pass, fail or skip; "no end" if it did not."""

    action: str = "no end"
    seconds: float = 0
    said: list = field(default_factory=list)


def main():
    program, directory = sys.argv[1], Path(sys.argv[2])
    left_out = read_left_out()
    tests = list_tests(program)
    asking = tests_that_ask(directory)
    log_before = BROKER_LOG.stat().st_size

    not_started = "|".join(name for name in left_out if "/" not in name)
    results = run_tests(program, directory, "tests", {}, f"-test.skip=^({not_started})$")
    ran = [name for name in tests if name in results and results[name].action != "skip"]
    alone = [name for name in ran if name not in asking]
    for name in ran:
        if name in asking or results[name].action != "pass":
            print_result(name, name, results)
    not_passed = [name for name in alone if results[name].action != "pass"]
    print_step(f"{len(alone)} tests that ask no broker", not_passed)
    print_step("all others are in left-out.txt", disagreements(tests, left_out, results))

    results = run_tests(program, directory, "chaos", CHAOS, f"-test.run=^{GROUP_TEST}$")
    print_result(f"{GROUP_TEST} on connections that die", GROUP_TEST, results)
    print_step("the broker logs no error", errors_logged(log_before))
    print_summary(len(ran) - len(alone), left_out)


def read_left_out():
    """The names of left-out.txt, each with its reason."""
    lines = LEFT_OUT.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def list_tests(program):
    command = [program, "-test.list=^(Test|Fuzz|Example)"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def tests_that_ask(directory):
    asking = set()
    for file in directory.glob("*_test.go"):
        for function in re.split(r"^func ", file.read_text(), flags=re.MULTILINE):
            if function.startswith("Test") and ASKS.search(function):
                asking.add(function.split("(")[0])
    return asking


def run_tests(program, directory, name, environment, argument):
    """Runs tests in the directory of their package, as go does, and returns how each of them and of
    their subtests ended. What the client logs lies in a file of the run's directory."""
    log_path = RUN_DIR / f"kgo-tests.{name}.log"
    results = {}
    with (
        open(log_path, "w") as log,
        subprocess.Popen(
            [program, "-test.v=test2json", f"-test.timeout={SECONDS}s", argument],
            cwd=directory,
            env=os.environ | ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as tests,
        subprocess.Popen(
            ["go", "tool", "test2json", "-t"], stdin=tests.stdout, stdout=subprocess.PIPE
        ) as events,
    ):
        for line in events.stdout:
            event = json.loads(line)
            if "Test" not in event:
                continue
            result = results.setdefault(event["Test"], Result())
            if event["Action"] == "output":
                result.said.append(event["Output"].strip())
            elif event["Action"] in ("pass", "fail", "skip"):
                result.action, result.seconds = event["Action"], event["Elapsed"]
    # The panic of one test ends all.
    panics = [line for line in log_path.read_text().splitlines() if line.startswith("panic: ")]
    for result in results.values():
        if result.action == "no end":
            result.said += panics
    return results


def disagreements(tests, left_out, results):
    """Where the tests there are, those that ran and left-out.txt do not agree."""
    found = [f"{name} did not run" for name in tests if name not in results | left_out]
    for name, result in results.items():
        if result.action == "skip" and name not in left_out:
            found.append(f"{name} skipped itself: {' '.join(own_words(result))}")
        elif result.action != "skip" and name in left_out:
            found.append(f"{name} is listed, but ran")
    for name in left_out:
        if name not in (results if "/" in name else tests):
            found.append(f"{name} is listed, but there is no such test")
    return found


def errors_logged(log_before):
    with open(BROKER_LOG, encoding="utf-8", errors="replace") as log:
        log.seek(log_before)
        return [line.strip() for line in log if " ERROR " in line or "panicked" in line]


def print_result(step, test, results):
    """The step passes if the test did; otherwise it shows what the test and its subtests said."""
    result = results.get(test, Result())
    why = []
    if result.action != "pass":
        of_it = [name for name in results if f"{name}/".startswith(f"{test}/")]
        why = [result.action] + [line for name in of_it for line in own_words(results[name])]
    print_step(step, why, result.seconds)


def own_words(result):
    return [line for line in result.said if not line.startswith(MARKS)]


def print_step(step, why, seconds=None):
    """Prints `FAIL step: why` if there is a why, else `PASS step [seconds]`."""
    if why:
        print(f"FAIL {step}: {'; '.join(why)[:WHY_CHARACTERS]}", flush=True)
    else:
        time = "" if seconds is None else f" [{seconds:.1f} s]"
        print(f"PASS {step}{time}", flush=True)


def print_summary(asked, left_out):
    print(f"{asked} tests asked the broker, {GROUP_TEST} with {RECORDS} records")
    for reason, count in Counter(left_out.values()).most_common():
        print(f"left out: {count}, because {reason}")


main()
