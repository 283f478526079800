#!/usr/bin/env python3
"""Opens the page that shows the path at work in a real browser, beside a broker at work.

A broker is started, clients of this file's own produce and fetch, and Chromium, without a window,
is asked what its page shows. `make live` runs it; without Chromium it says so and skips.

    BROKER=path    the binary, target/release/transferto otherwise
    CHROMIUM=path  the browser
    SHOTS=folder   keeps pictures of the page there, light and dark, in both languages
"""

import contextlib
import json
import os
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from browser import CHROMIUM, MISSING, Browser
from broker import Broker, Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BROKER = os.environ.get("BROKER", os.path.join(ROOT, "target/release/transferto"))
SHOTS = os.environ.get("SHOTS")

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TOO = "<img src=x onerror=alert(2)>\"'&\\\u2028"
# 1 and 2 are those of the connection, 10 those of a fetch that waits.
STEPS_OF_A_FETCH = {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19}


def replica(name, concern, role, leader, isr, **others):
    return {
        "name": name, "concern": concern, "role": role, "leader": leader, "leader_epoch": 4,
        "replicas": [1, 2, 3], "isr": isr, "adding": [], "removing": [], "high_watermark": 5,
        "log_end_offset": 37, "min_isr": 2, "asks_for": None, "followers": [], **others,
    }


def of_broker(number, is_fenced, rack):
    return {
        "id": number, "epoch": 12, "is_fenced": is_fenced, "is_leaving": False, "rack": rack,
        "listener": "PLAINTEXT", "host": "127.0.0.1", "port": 9092,
    }


CLUSTER = {
    "id": "cluster", "broker_id": 1, "controller": {"id": 100, "host": "127.0.0.1", "port": 9095},
    "quorum_epoch": 3, "metadata_version": 21, "broker_epoch": 12, "state": "running",
    "applied_offset": 40, "metadata_lag": 0, "applied_ms": 0, "broker_count": 2, "fenced_count": 1,
    "brokers": [of_broker(1, False, None), of_broker(2, True, HOSTILE)],
    "replicas": {
        "count": 100, "led": 60, "offline": 1, "under_min_isr": 1, "under_replicated": 0,
        "lagging": 1,
        "first": [
            replica(HOSTILE, "under_min_isr", "leader", 1, [1], followers=[
                {"id": 2, "lag": 32, "behind_for_ms": 22_200},
                {"id": 3, "lag": None, "behind_for_ms": None},
            ]),
            replica("post-1", "offline", "follower", None, [1],
                    copying={"state": "not", "lag": None}),
            replica("post-2", "lagging", "follower", 2, [1, 2, 3],
                    copying={"state": "fetching", "lag": 1200}),
        ],
    },
}

PURSUIT = "document.getElementById('pursuit').textContent"
SHOWN_STEPS = """[...document.querySelectorAll('.hop')].map((it) => it.dataset.step)
    .filter((it) => it !== '').map(Number)"""


def first_of_each(steps):
    return list(dict.fromkeys(steps))


@unittest.skipUnless(CHROMIUM, MISSING)
class LivePage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.broker = Broker(BROKER, os.path.join(cls.folder.name, "logs"))
        cls.addClassCleanup(cls.broker.stop)
        cls.browser = Browser(CHROMIUM, os.path.join(cls.folder.name, "profile"))
        cls.addClassCleanup(cls.browser.stop)
        cls.hostile = Client(cls.broker.port, HOSTILE)
        cls.addClassCleanup(cls.hostile.close)
        cls.hostile_too = Client(cls.broker.port, HOSTILE_TOO)
        cls.addClassCleanup(cls.hostile_too.close)
        cls.hostile.create_topic("post")
        for _ in range(10):
            cls.hostile.produce("post", b"x" * 50_000)
        cls.hostile_too.fetch("post", 0)

    def setUp(self):
        self.page = self.browser.open(self.broker.page + "#en")
        self.page.wait_for("document.querySelectorAll('.connection').length >= 2")

    def tearDown(self):
        self.assertEqual(self.page.complaints, [], "the browser complains")
        self.page.close()

    def test_what_a_client_calls_itself_is_text(self):
        names = "[...document.querySelectorAll('.client-id')].map((it) => it.textContent)"
        names = self.page.evaluate(names)
        self.assertIn(HOSTILE, names)
        self.assertIn(HOSTILE_TOO, names)
        self.assertEqual(self.page.evaluate("document.scripts.length"), 1)
        self.assertEqual(self.page.evaluate("document.images.length"), 0)

    def test_nothing_but_the_pages_own_script_runs(self):
        ran = """(() => {
            const script = document.createElement('script');
            script.textContent = 'window.intruder = true';
            document.body.append(script);
            return window.intruder === true;
        })()"""
        self.assertFalse(self.page.evaluate(ran))
        self.assertTrue(any("Content Security Policy" in it for it in self.page.complaints))
        self.page.complaints.clear()

    def test_a_fetch_is_followed_through_its_steps_in_order(self):
        self.page.click("#seek")
        self.page.wait_for(f"{PURSUIT}.startsWith('Waiting')")
        self.hostile.fetch("post", 0)
        self.page.wait_for(f"{PURSUIT}.includes('was answered')")
        steps = self.page.evaluate(SHOWN_STEPS)
        self.assertEqual(set(steps), STEPS_OF_A_FETCH)
        self.assertEqual(first_of_each(steps), sorted(set(steps)))
        lanes = self.page.evaluate("document.querySelectorAll('.lanes > text[class^=lane]').length")
        self.assertGreaterEqual(lanes, 2, "a Processor and a handler")

    def test_the_fetch_of_one_connection_that_waits_is_followed_to_its_end(self):
        follow = """[...document.querySelectorAll('.connection')]
            .find((it) => it.querySelector('.client-id').textContent.startsWith('<img'))
            .querySelector('button').dataset.of"""
        of = self.page.evaluate(follow)
        self.page.click(f"[data-of='{of}']")
        self.page.wait_for(f"{PURSUIT}.includes('of {of.replace('-', '#')}')")
        self.hostile.fetch("post", 0)
        waiting = threading.Thread(
            target=lambda: self.hostile_too.fetch("post", self.hostile.end, max_wait_ms=30_000)
        )
        waiting.start()
        self.page.wait_for(f"{PURSUIT}.startsWith('Following {of.replace('-', '#')}/')")
        # It lies in the purgatory, under its partition.
        self.page.wait_for("document.getElementById('purgatories').textContent.includes('post-0')")
        self.hostile.produce("post", b"what it waited for")
        waiting.join()
        self.page.wait_for(f"{PURSUIT}.includes('was answered')")
        self.assertIn(10, self.page.evaluate(SHOWN_STEPS))

    def test_a_response_that_its_client_does_not_read_shows_how_far_it_has_got(self):
        with contextlib.closing(Client(self.broker.port, "slow", 4096)) as slow:
            slow.fetch_without_reading("post", 0)
            self.page.wait_for("document.querySelectorAll('.connection .bar').length === 1")
            shown = "document.querySelector('.connection .bar').parentElement.textContent"
            self.assertRegex(self.page.evaluate(shown), r"^Fetch /1 .+ of 14\d KiB$")

    def test_both_languages_show_all_that_there_is(self):
        texts = "[...document.querySelectorAll('[data-t]')].map((it) => it.textContent)"
        english = self.page.evaluate(texts)
        self.page.click("#to-zh")
        self.page.wait_for("document.documentElement.lang === 'zh'")
        chinese = self.page.evaluate(texts)
        self.assertEqual(len(english), len(chinese))
        for one, other in zip(english, chinese):
            self.assertTrue(one and other)
            self.assertTrue(one == other or any("\u4e00" <= it <= "\u9fff" for it in other), other)
        keys = self.page.evaluate("Object.values(TEXTS).map((it) => Object.keys(it).sort())")
        self.assertEqual(keys[0], keys[1])
        self.page.click("#to-en")
        self.page.wait_for("document.documentElement.lang === 'en'")

    def test_counts_of_one_are_worded_for_one(self):
        text = "t('following', 'x', {0}) + t('inAll', '0 B', '{0}', '0 B') + t('full', '{0}')"
        one, two = (self.page.evaluate(text.replace("{0}", count)) for count in ["1", "2"])
        for words in ["1 hop so", "1 call,"]:
            self.assertIn(words, one)
        self.assertTrue(one.endswith("1 time"), one)
        for words in ["2 hops so", "2 calls,", "2 times"]:
            self.assertIn(words, two)
        left = """Object.keys(TEXTS.en).filter((key) =>
            ["en", "zh"].some((it) => (language = it, /[{}|]/.test(t(key, 1, 1, 1, 1)))))"""
        self.assertEqual(self.page.evaluate(left), [])

    def test_a_press_that_opens_a_menu_does_not_stop_the_page(self):
        for button in [2, 0]:
            press = f"document.dispatchEvent(new PointerEvent('pointerdown', {{ button: {button} }}))"
            self.page.evaluate(press)
            self.assertEqual(self.page.evaluate("isHeld"), button == 0)
        # Control and the main button open one, too.
        self.page.evaluate("document.body.dispatchEvent(new Event('contextmenu', {bubbles: true}))")
        self.page.wait_for("!isHeld")

    def test_a_page_that_stands_still_for_a_selection_says_so(self):
        self.page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
        self.page.wait_for("document.getElementById('held').textContent.includes('selected')")
        self.page.evaluate("getSelection().removeAllRanges()")
        self.page.wait_for("document.getElementById('held').textContent === ''")

    def test_in_a_narrow_window_only_the_sections_scroll_sideways(self):
        self.page.resize(320, 640)
        self.page.wait_for("innerWidth === 320")
        self.assertEqual(self.page.evaluate("document.documentElement.scrollWidth"), 320)
        flows = "document.getElementById('zero')"
        self.assertTrue(self.page.evaluate(f"{flows}.scrollWidth <= {flows}.clientWidth"))

    def test_a_broker_that_is_alone_shows_no_cluster(self):
        for section in ["cluster-section", "replicas-section"]:
            self.assertTrue(self.page.evaluate(f"document.getElementById('{section}').hidden"))

    def test_a_cluster_shows_its_brokers_and_those_replicas_first_that_lack_something(self):
        self.show(CLUSTER)
        brokers = "[...document.querySelectorAll('.broker')].map((it) => it.innerText)"
        brokers = self.page.evaluate(brokers)
        self.assertEqual(len(brokers), 2)
        self.assertIn("this one", brokers[0])
        self.assertIn("fenced", brokers[1])
        self.assertIn(HOSTILE, brokers[1])
        replicas = "[...document.querySelectorAll('.replica')].map((it) => it.innerText)"
        leader, follower, whole = self.page.evaluate(replicas)
        for words in [HOSTILE, "leader", "under min.insync.replicas (2)", "2: 32 behind for 22.2 s", "3: has not fetched yet"]:
            self.assertIn(words, leader)
        for words in ["no leader", "not copied: its leader is not there"]:
            self.assertIn(words, follower)
        self.assertIn("fetching, 1,200 behind", whole)
        missing = "[...document.querySelector('.replica').querySelectorAll('.missing')].map((it) => it.textContent)"
        self.assertEqual(self.page.evaluate(missing), ["2", "3"])
        self.assertIn("97 more", self.page.evaluate("document.getElementById('replicas').textContent"))
        self.page.click("#only-concerns")
        self.page.wait_for("document.querySelectorAll('.replica').length === 2")
        self.assertEqual(self.page.evaluate("document.images.length"), 0)

    def test_a_cluster_fits_into_a_narrow_window_in_both_languages(self):
        self.show(CLUSTER)
        self.page.resize(320, 640)
        self.page.wait_for("innerWidth === 320")
        for language in ["zh", "en"]:
            self.page.click(f"#to-{language}")
            self.page.wait_for(f"document.documentElement.lang === '{language}'")
            self.page.wait_for("document.querySelectorAll('.replica').length === 3")
            self.assertEqual(self.page.evaluate("document.documentElement.scrollWidth"), 320)

    def show(self, cluster):
        """As if the broker had said this of a cluster; it is asked no more."""
        self.page.click("#pause")
        self.page.wait_for("isPaused")
        self.page.evaluate(f"data.cluster = {json.dumps(cluster)}; render()")
        self.page.wait_for("document.querySelectorAll('.replica').length === 3")

    def test_a_connection_that_closes_is_not_waited_for(self):
        with contextlib.closing(Client(self.broker.port, "leaver")) as leaver:
            leaver.fetch("post", self.hostile.end)
            row = """[...document.querySelectorAll('.connection')]
                .find((it) => it.querySelector('.client-id').textContent === 'leaver')"""
            self.page.wait_for(row)
            self.page.evaluate(f"{row}.querySelector('button').click()")
            self.page.wait_for(f"{PURSUIT}.startsWith('Waiting')")
        self.page.wait_for(f"{PURSUIT}.includes('was closed')")

    def test_another_site_cannot_have_a_fetch_followed(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(self.broker.page.replace("/live", "/follow"))
        self.assertEqual(refused.exception.code, 403)

    @unittest.skipUnless(SHOTS, "SHOTS names no folder")
    def test_pictures(self):
        self.page.click("#seek")
        self.page.wait_for(f"{PURSUIT}.startsWith('Waiting')")
        self.hostile.fetch("post", 0)
        self.page.wait_for(f"{PURSUIT}.includes('was answered')")
        with contextlib.ExitStack() as stack:
            for name in ["waiting-1", "waiting-2"]:
                waiting = stack.enter_context(contextlib.closing(Client(self.broker.port, name)))
                waiting.fetch_without_reading("post", self.hostile.end, max_wait_ms=30_000)
            slow = Client(self.broker.port, "slow", 4096)
            stack.enter_context(contextlib.closing(slow)).fetch_without_reading("post", 0)
            stack.enter_context(self.broker.load(connections=6, seconds=8))
            self.page.wait_for("samples.length >= 6")
            for language in ["en", "zh"]:
                self.page.click(f"#to-{language}")
                for scheme in ["light", "dark"]:
                    self.page.prefer(scheme)
                    self.page.wait_for(f"document.documentElement.lang === '{language}'")
                    self.page.screenshot(os.path.join(SHOTS, f"live-{language}-{scheme}.png"))


if __name__ == "__main__":
    if CHROMIUM and not os.path.exists(BROKER):
        sys.exit(f"{BROKER} is missing: cargo build --release")
    unittest.main(verbosity=2)
