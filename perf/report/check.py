#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the runner and its arithmetic: recorded lines in, table out; programs that fail, hang or are not there."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.dom.minidom

import lines
import page
import plots
import programs
import readme
import svg
import table

RUN = pathlib.Path(__file__).with_name("run.py")
NOP = (
    '{"bench":"nop","in_flight":%d,"raw_ns":%g,"aion_ns":%g,"ratio":%g,"runs":101,'
    '"value":%g,"bar":1.06,"bound":"at most","of":["in_flight"]}'
)
RATE = (
    '{"bench":"echo","measure":"rate","raw":"%s","ratio":%g,'
    '"value":%g,"bar":0.97,"bound":"at least","of":["measure"]}'
)
SIDE = (
    '{"bench":"echo","measure":"side","conns":%d,"bytes":64,"side":"%s","cpu_ns":%g,'
    '"p50_us":%g,"p99_us":%g,"p999_us":%g,"of":["measure","conns","bytes","side"]}'
)


def report_of(*rounds):
    """A report of one program, perf_x of the area ring, from the texts of the lines of each round."""
    return {
        "date": "2026-11-21T12:00:00+00:00",
        "machine": {"cpu": "a <CPU>", "cpus": 2, "virtual": True, "memory_gib": 4.0, "kernel": "6.18",
                    "governor": "none", "load": 0.5},
        "commit": "abc 2026-11-21",
        "build": {"compiler": "gcc 12", "flags": "-O2", "libc": "glibc 2.36", "liburing": "2.3"},
        "quick": False, "rounds": len(rounds), "seconds": 1.0, "problems": [],
        "programs": [{"name": "perf_x", "area": "ring",
                      "runs": [{"round": i + 1, "seconds": 1.0, "status": "ok"} for i in range(len(rounds))]}],
        "lines": [{"round": i + 1, "program": "perf_x", "area": "ring", "line": json.loads(text)}
                  for i, texts in enumerate(rounds) for text in texts],
    }


def nop(in_flight, ratio):
    return NOP % (in_flight, 100, 100 * ratio, ratio, ratio)


def only(report):
    cases, _ = lines.cases_of(report)
    assert len(cases) == 1, cases
    return cases[0]


class Arithmetic(unittest.TestCase):
    def test_median_least_and_greatest_over_rounds(self):
        case = only(report_of(*[[nop(8, ratio)] for ratio in (1.05, 1.01, 1.03, 1.02, 1.04)]))
        wanted = ("nop in_flight=8", "ratio", "1.03", "1.01–1.05", "1.030", "", "≤ 1.06", "pass", "agree")
        self.assertEqual(table.row_of(case), wanted)

    def test_parameters_tell_lines_apart_and_results_do_not(self):
        cases, complaints = lines.cases_of(report_of([nop(1, 1.0), nop(8, 1.1)], [nop(1, 1.2), nop(8, 1.3)]))
        self.assertEqual([case.name for case in cases], ["nop in_flight=1", "nop in_flight=8"])
        self.assertEqual([case.values() for case in cases], [[1.0, 1.2], [1.1, 1.3]])
        self.assertEqual(complaints, [])

    def test_a_note_is_no_parameter(self):
        case = only(report_of([RATE % ("multishot", 1, 1)], [RATE % ("oneshot", 1, 1)]))
        self.assertEqual(len(case.lines), 2)

    def test_lines_of_one_name_are_kept_apart_and_said(self):
        cases, complaints = lines.cases_of(report_of([nop(1, 1.0), nop(1, 2.0)], [nop(1, 1.0), nop(1, 2.0)]))
        self.assertEqual([case.values() for case in cases], [[1.0, 1.0], [2.0, 2.0]])
        self.assertIn("perf_line_param", complaints[0])
        self.assertEqual(len(complaints), 1)

    def test_the_best_of_the_peers_is_one_measurement(self):
        line = '{"bench":"echo","measure":"rate","peer":"%s","ratio":1.5,"of":["measure","peer"]}'
        case = only(report_of([line % "libuv"], [line % "libev"]))
        self.assertEqual(table.row_of(case)[:7], ("echo rate best peer", "ratio", "1.5", "1.5–1.5", "", "1.500", ""))

    def test_a_peer_that_is_missing_is_said(self):
        line = '{"bench":"echo","measure":"missing","side":"libuv","package":"libuv1-dev","of":["measure","side"]}'
        cases, complaints = lines.cases_of(report_of([line], [line]))
        self.assertEqual((cases, len(complaints)), ([], 1))
        self.assertIn("libuv1-dev", complaints[0])

    def test_verdict_at_most(self):
        self.assertEqual(only(report_of([nop(8, 1.06)])).verdict(), "pass")
        self.assertEqual(only(report_of([nop(8, 1.061)])).verdict(), "short")

    def test_verdict_at_least(self):
        self.assertEqual(only(report_of([RATE % ("x", 0.97, 0.97)])).verdict(), "pass")
        self.assertEqual(only(report_of([RATE % ("x", 0.96, 0.96)])).verdict(), "short")

    def test_rounds_on_both_sides_of_the_bar_are_said(self):
        self.assertEqual(only(report_of([nop(8, 1.05)], [nop(8, 1.05)], [nop(8, 1.07)])).verdict(), "pass?")
        self.assertEqual(only(report_of([nop(8, 1.05)], [nop(8, 1.08)], [nop(8, 1.07)])).verdict(), "short?")

    def test_spread(self):
        self.assertEqual(table.spread_text(only(report_of([nop(8, 1)]))), "unknown")
        self.assertEqual(table.spread_text(only(report_of([nop(8, 1)], [nop(8, 1.05)], [nop(8, 1)]))), "agree")
        self.assertEqual(table.spread_text(only(report_of([nop(8, 1)], [nop(8, 1.06)], [nop(8, 1)]))), "±6.0 %")
        zero = '{"bench":"allocations","each":0,"value":0,"bar":0,"bound":"at most","of":[]}'
        self.assertEqual(table.row_of(only(report_of([zero], [zero])))[-2:], ("pass", "agree"))

    def test_the_best_raw_way_is_that_of_all_rounds(self):
        line = ('{"bench":"echo","raw_rate":1,"ratio":%g,"over_a":%g,"over_b":%g,'
                '"value":%g,"bar":1,"bound":"at least","of":[]}')
        rounds = [[line % (min(a, b), a, b, min(a, b))] for a, b in ((0.9, 1.1), (1.2, 0.8), (1.05, 1.04))]
        case = only(report_of(*rounds))
        self.assertEqual((case.over_best(), case.value, case.verdict()), ("over_b", 1.04, "pass?"))
        self.assertEqual(table.row_of(case)[4], "1.040")
        self.assertIsNone(only(report_of([nop(8, 1)])).over_best())

    def test_what_others_took_part_in_is_said(self):
        line = nop(8, 1)[:-1] + ',"disturbed":%d}'
        quiet, loud = (only(report_of([line % nr], [line % nr])) for nr in (20, 30))
        self.assertEqual([table.spread_text(case) for case in (quiet, loud)], ["agree", "agree, disturbed"])
        self.assertNotIn("disturbed", "".join(table.summary([quiet])))
        self.assertIn("1 of 1 figures", "".join(table.summary([loud])))

    def test_share_of_the_bar(self):
        self.assertAlmostEqual(only(report_of([nop(8, 0.53)])).used(), 0.5)
        self.assertAlmostEqual(only(report_of([RATE % ("x", 1.94, 1.94)])).used(), 0.5)

    def test_a_line_without_a_bar_shows_what_its_neighbours_are_judged_by(self):
        judged = '{"bench":"s","n":1,"ratio":0.01,"aion_ns":5.5,"value":5.5,"bar":6,"bound":"at most","of":["n"]}'
        plain = '{"bench":"s","n":2,"ratio":0.02,"aion_ns":7.5,"of":["n"]}'
        cases, _ = lines.cases_of(report_of([judged, plain]))
        self.assertEqual([(case.label, case.value) for case in cases], [("aion_ns", 5.5), ("aion_ns", 7.5)])
        self.assertEqual(only(report_of([plain])).label, "ratio")

    def test_a_round_that_lacks_a_line_counts_for_the_others(self):
        cases, _ = lines.cases_of(report_of([nop(1, 1.0)], [nop(1, 1.0), nop(8, 1.1)]))
        self.assertEqual([len(case.lines) for case in cases], [2, 1])

    def test_summary(self):
        text = table.summary(lines.cases_of(report_of([nop(1, 1.0), nop(8, 1.2)], [nop(1, 1.2), nop(8, 1.2)]))[0])
        self.assertEqual(text[0], "0 of 2 bars hold, 1 undecided: rounds lie on both sides")
        self.assertEqual(text[1], "rounds further than 5 % from their median: 1 of 2 figures with a bar")

    def test_numbers(self):
        wanted = {0: "0", 5: "5", 0.000731: "0.00073", 1.0349: "1.03", 63.04: "63.0", 163.04: "163.0", 4608: "4608",
                  1103.4: "1103", 1892345.6: "1.892 M", 151000.5: "151 k"}
        self.assertEqual({value: table.number(value) for value in wanted}, wanted)


class Pictures(unittest.TestCase):
    def test_page_is_well_formed_and_needs_nothing_else(self):
        sides = [SIDE % (conns, side, 5000, 100, 200, 400) for conns in (1, 64) for side in ("aion", "epoll")]
        text = page.page_of(report_of([nop(1, 1.0), nop(8, 1.1)] + sides, [nop(1, 1.1), nop(8, 3)] + sides))
        self.assertIn("a &lt;CPU&gt;", text)
        self.assertNotIn("http", text)
        self.assertNotIn("src=", text)
        pictures = text.split("<svg")[1:]
        self.assertEqual(len(pictures), 6)  # bars, NOP, latency under two loads, echo over connections, spread
        for picture in pictures:
            xml.dom.minidom.parseString("<svg" + picture.split("</svg>")[0] + "</svg>")

    def test_page_of_nothing(self):
        self.assertIn("0 of 0 bars", page.page_of(report_of()))

    def test_scales(self):
        self.assertEqual(svg.Scale(0, 10, 0, 100).place(5), 50)
        self.assertEqual(svg.Scale(1, 100, 0, 100, log=True).place(10), 50)
        self.assertEqual(svg.Scale(0, 10, 0, 100).place(20), 100)
        self.assertEqual(svg.Scale(0, 10, 0, 100).ticks(), [0, 2, 4, 6, 8, 10])
        self.assertEqual(svg.Scale(0.1, 3, 0, 1, log=True).ticks(), [0.1, 0.2, 0.5, 1, 2])
        self.assertEqual(svg.Scale(7, 7, 0, 100).place(7), 50)

    def test_only_what_has_several_amounts_of_work_is_a_curve(self):
        self.assertEqual(plots.sweeps(lines.cases_of(report_of([nop(1, 1.0)]))[0]), [])
        self.assertEqual(len(plots.sweeps(lines.cases_of(report_of([nop(1, 1.0), nop(8, 1.0)]))[0])), 1)


    def test_percentiles_that_are_not_there_are_not_drawn(self):
        line = '{"bench":"tail","side":"%s","p50_us":1,"p99_us":2,"of":["side"]}'
        cases, _ = lines.cases_of(report_of([line % "aion", line % "threads"]))
        figure, = plots.latencies(cases)
        self.assertEqual([name for _, name in figure.legend], ["p50", "p99"])

    def test_rates_over_threads_stand_beside_those_of_the_raw_way(self):
        line = '{"bench":"x","work":"nop","threads":%d,"raw_rate":1,"aion_rate":2,"ratio":1,"of":["work","threads"]}'
        cases, _ = lines.cases_of(report_of([line % 1, line % 2]))
        figure, = plots.sweeps(cases, lambda bench, work: work == "threads")
        self.assertEqual([name for _, name in figure.legend], ["aion nop", "raw nop"])
        self.assertEqual(plots.sweeps(cases, costs=("ops_an_enter",)), [])


class Readme(unittest.TestCase):
    def test_only_what_is_between_the_markers_changes(self):
        block = readme.text_of(report_of(*[[nop(n, 1 + n / 1000) for n in (1, 8, 32, 128)]] * 3))
        text = readme.replaced(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", block)
        self.assertTrue(text.startswith("before\n" + readme.BEGIN) and text.endswith(readme.END + "\nafter\n"))
        self.assertIn("| 1.00 / 1.01 / 1.03 / 1.13 | 100 ns / 100 ns / 100 ns / 100 ns | `perf_nop_await` |", text)
        self.assertNotIn("\nold\n", text)
        self.assertEqual(readme.replaced(text, block), text)

    def test_a_row_means_one_measurement(self):
        line = '{"bench":"spawn","how":"queued","tasks":%d,"ratio":1,"aion_ns":5,"raw_ns":6,"of":["how","tasks"]}'
        self.assertIn("| 5.0 ns / – |", readme.text_of(report_of([line % 1])))
        with self.assertRaises(ValueError):
            readme.text_of(report_of([line % 1, line % 2]))

    def test_the_most_of_all_operations_allocates(self):
        line = (
            '{"bench":"alloc_count","operation":"%s","allocations_each":%g,'
            '"value":%g,"bar":0,"bound":"at most","of":["operation"]}'
        )
        text = readme.text_of(report_of([line % ("nop", 0, 0), line % ("read", 0.25, 1)]))
        self.assertIn("| 0.25 |  | `perf_alloc_count` |", text)

    def test_no_markers_no_change(self):
        with self.assertRaises(ValueError):
            readme.replaced("text", "block")


class Sources(unittest.TestCase):
    def test_first_comment(self):
        comment = "/*\n * What? Text.\n *\n * Area: small-files. Round: -r 2 -s 64. Quick: -r 1.\n */\n"
        text = "/* SPDX */\n" + comment + "int x; /* Area: no. */\n"
        program = programs.program_of("perf_x", text)
        wanted = ("small-files", ["-r", "2", "-s", "64"], ["-r", "1"])
        self.assertEqual((program.area, program.round_args, program.quick_args), wanted)
        program = programs.program_of("perf_x", "/*\n * Area: socket. Quick: -r 1 64 16384. Once.\n */\n")
        self.assertEqual(program.quick_args, ["-r", "1", "64", "16384"])
        self.assertTrue(program.once and not program.not_quick)
        self.assertTrue(programs.program_of("perf_x", "/*\n * Area: ring. Not quick.\n */\n").not_quick)
        program = programs.program_of("perf_x", "/*\n * Area: ring.\n */\n")
        self.assertEqual((program.area, program.round_args, program.quick_args), ("ring", ["-r", "3"], ["-r", "1"]))
        self.assertEqual(programs.program_of("perf_x", "int x;").area, "other")

    def test_every_program_of_the_tree_has_an_area(self):
        found = programs.programs_of(pathlib.Path(__file__).parents[1])
        self.assertGreater(len(found), 20)
        self.assertEqual([program.name for program in found if program.area not in programs.AREAS], [])

    def test_choice(self):
        known = [programs.Program("perf_nop_await", "ring", [], []), programs.Program("perf_task_ring", "task", [], [])]
        self.assertEqual([p.name for p in programs.chosen(known, ["ring"])[0]], ["perf_nop_await"])
        self.assertEqual(programs.chosen(known, ["_ring", "nop"]), (known, []))
        self.assertEqual(programs.chosen(known, ["nonsense"]), ([], ["nonsense"]))


class Runs(unittest.TestCase):
    """The runner itself, over programs that are scripts."""

    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)
        self.path = pathlib.Path(self.top.name)
        (self.path / "perf").mkdir()

    def program(self, name, script, more=""):
        (self.path / f"{name}.c").write_text(f"/*\n * Area: ring. Round: -r 7.{more}\n */\n")
        if script is not None:
            target = self.path / "perf" / name
            target.write_text("#!/bin/sh\n" + script)
            target.chmod(0o755)

    def command(self, *options):
        folders = ("--source", self.path, "--build", self.path, "--output", self.path / "out")
        return [sys.executable, str(RUN), *map(str, folders), *options]

    def run_all(self, *options):
        done = subprocess.run(self.command(*options), capture_output=True, text=True, timeout=60)
        return done, json.loads((self.path / "out/latest/report.json").read_text())

    def statuses(self, report):
        return {program["name"]: [run["status"] for run in program["runs"]] for program in report["programs"]}

    def test_what_fails_is_said_and_the_rest_goes_on(self):
        self.program("perf_a", f"echo '{nop(1, 1.0)}'; echo failed: it broke >&2; exit 3")
        self.program("perf_b", None)
        self.program("perf_c", "kill -SEGV $$")
        self.program("perf_d", f"echo perf_d: half is left out; echo '{nop(2, 1.0)}'")
        self.program("perf_e", "true")
        done, report = self.run_all("--rounds", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.statuses(report), {
            "perf_a": ["exit status 3 (failed: it broke)"] * 2,
            "perf_b": ["missing: it was not built"] * 2,
            "perf_c": ["killed by SIGSEGV"] * 2,
            "perf_d": ["ok"] * 2,
            "perf_e": ["printed nothing"] * 2,
        })
        self.assertEqual(len(report["lines"]), 4)  # what came before the failure counts
        for text in ("nop in_flight=2", "perf_b, rounds 1, 2: missing", "perf_d: half is left out"):
            self.assertIn(text, done.stdout)
        self.assertTrue((self.path / "out/latest/report.html").is_file())

    def test_rounds_take_turns_and_options_reach_the_programs(self):
        for name in ("perf_a", "perf_b"):
            self.program(name, f"echo {name} $* >>{self.path}/order; echo '{nop(1, 1.0)}'")
        self.program("perf_0", f"echo perf_0 >>{self.path}/order; echo '{nop(2, 1.0)}'", " Once.")
        done, _ = self.run_all("--rounds", "2", "--cpu", "0")
        order = ["perf_a -r 7 -c 0", "perf_b -r 7 -c 0"] * 2 + ["perf_0"]
        self.assertEqual((self.path / "order").read_text().splitlines(), order)
        self.assertRegex(done.stdout, "nop in_flight=2 .* once\n")

    def test_no_program_outlives_the_limit(self):
        self.program("perf_a", f"echo '{nop(1, 1.0)}'; sleep 60 & sleep 60")
        self.program("perf_b", f"echo '{nop(2, 1.0)}'")
        done, report = self.run_all("--limit", "5", "--rounds", "1")
        self.assertRegex(self.statuses(report)["perf_a"][0], "^stopped after")
        self.assertEqual(self.statuses(report)["perf_b"], ["no time was left"])
        self.assertIn("perf_b: no time was left for it in any round", done.stdout)
        self.assertEqual(len(report["lines"]), 1)

    def test_an_interrupt_writes_what_is_there(self):
        self.program("perf_a", f"echo '{nop(1, 1.0)}'")
        self.program("perf_b", f"touch {self.path}/started; echo $$ >{self.path}/pid; exec sleep 60")
        runner = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while not (self.path / "pid").exists() or not (self.path / "pid").read_text().strip():
            self.assertIsNone(runner.poll())
            time.sleep(0.01)
        runner.send_signal(signal.SIGINT)
        text = runner.communicate(timeout=30)[0]
        self.assertEqual(runner.returncode, 130)
        report = json.loads((self.path / "out/latest/report.json").read_text())
        self.assertEqual(len(report["lines"]), 1)
        self.assertIn("interrupted", text)
        with self.assertRaises(ProcessLookupError):
            os.kill(int((self.path / "pid").read_text()), 0)

    def test_what_takes_long_is_left_out_of_a_quick_run_and_said(self):
        self.program("perf_a", f"echo '{nop(1, 1.0)}'", " Not quick.")
        self.program("perf_b", f"echo '{nop(2, 1.0)}'")
        done, report = self.run_all("--quick", "--rounds", "1")
        self.assertEqual(self.statuses(report), {"perf_b": ["ok"]})
        self.assertIn("not in a quick run: perf_a", done.stdout)

    def test_an_unknown_name_is_an_error(self):
        self.program("perf_a", "true")
        done = subprocess.run(self.command("nonsense"), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nonsense", done.stderr)


if __name__ == "__main__":
    unittest.main()
