#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Runs the measurements round by round and reports: a table, a JSON file of all lines, a page with pictures.
tools/dev perf builds, and calls this. See perf/README.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import machine
import page
import programs
import readme
import table

TOP = pathlib.Path(__file__).resolve().parents[2]
FULL = {"rounds": 5, "limit_s": 15 * 60 - 10}
QUICK = {"rounds": 2, "limit_s": 2 * 60 - 8}


def arguments():
    parser = argparse.ArgumentParser(prog="tools/dev perf", description="measures, and reports")
    parser.add_argument("what", nargs="*", metavar="AREA|NAME",
                        help=f"areas ({', '.join(programs.AREAS)}) or parts of programs' names; all by default")
    parser.add_argument("--quick", action="store_true", help="less of everything, within two minutes")
    parser.add_argument("--rounds", type=int, help=f"{FULL['rounds']} by default, {QUICK['rounds']} with --quick")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="nothing starts that would end after this time")
    parser.add_argument("--cpu", type=int, help="the CPU that programs are pinned to (the last one by default)")
    parser.add_argument("--lines", action="store_true", help="also show each line as it comes")
    parser.add_argument("--list", action="store_true", help="show the areas and their programs")
    parser.add_argument("--show", metavar="JSON", help="measure nothing: the table and the page of an earlier report")
    parser.add_argument("--readme", nargs="?", const="", metavar="JSON",
                        help="measure nothing: write README.md's comparison from a report, the last one by default")
    parser.add_argument("--build", default=TOP / ".build/release", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", default=TOP / ".build/perf", type=pathlib.Path, help="a folder (.build/perf)")
    parser.add_argument("--source", default=TOP / "perf", type=pathlib.Path, help=argparse.SUPPRESS)
    return parser.parse_args()


class Session:
    """A report that is being made."""

    def __init__(self, options, picked):
        usual = QUICK if options.quick else FULL
        self.options, self.picked = options, picked
        self.round_nr = options.rounds or usual["rounds"]
        self.limit_s = options.limit or usual["limit_s"]
        self.start = time.monotonic()
        self.date = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.report = {
            "format": 1,
            "date": self.date.isoformat(),
            "machine": machine.machine(),
            "commit": machine.commit(TOP),
            "build": machine.build(options.build),
            "quick": options.quick,
            "rounds": self.round_nr,
            "seconds": 0,
            "problems": [f"{p.name}: no 'Area: NAME.' in its first comment" for p in picked if p.area == "other"],
            "programs": [{"name": p.name, "area": p.area, "once": p.once, "runs": []} for p in picked],
            "lines": [],
        }
        self.records = {record["name"]: record for record in self.report["programs"]}

    def elapsed(self):
        return time.monotonic() - self.start

    def args_of(self, program):
        args = list(program.quick_args if self.options.quick else program.round_args)
        return args + (["-c", str(self.options.cpu)] if self.options.cpu is not None else [])

    def fits(self, program):
        """Whether the program would end in time, going by its longest run; the first time it gets what there is."""
        known = [run["seconds"] for run in self.records[program.name]["runs"]]
        return self.elapsed() + (max(known) * 1.05 if known else 2) < self.limit_s

    def run(self, program, nth):
        record = self.records[program.name]
        path = self.options.build / "perf" / program.name
        entry = {"round": nth, "seconds": 0.0, "args": self.args_of(program), "status": table.NO_TIME}
        if not path.is_file():
            entry["status"] = "missing: it was not built"
        elif self.fits(program):
            directory = tempfile.mkdtemp(prefix="aion-perf.", dir=os.environ.get("TMPDIR") or "/var/tmp")
            try:
                entry["status"], lines, notes, entry["seconds"] = programs.run(
                    path, entry["args"], directory, self.limit_s - self.elapsed())
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            entry["notes"] = notes
            for line in lines:
                self.report["lines"].append({"round": nth, "program": program.name, "area": program.area, "line": line})
                if self.options.lines:
                    print(json.dumps(line), flush=True)
        record["runs"].append(entry)
        return entry

    def measure(self):
        for nth in range(1, self.round_nr + 1):
            for program in self.picked:
                if not program.once:
                    self.run_and_tell(program, nth, f"round {nth} of {self.round_nr}")
        for program in self.picked:
            if program.once:
                self.run_and_tell(program, 1, "once")

    def run_and_tell(self, program, nth, when):
        entry = self.run(program, nth)
        if entry["status"] != table.NO_TIME:
            word = f"{entry['seconds']:.1f} s" if entry["status"] == "ok" else entry["status"]
            print(f"[{self.elapsed():5.0f} s] {when}: {program.name}: {word}", file=sys.stderr)

    def write(self):
        self.report["seconds"] = round(self.elapsed(), 1)
        folder = self.options.output / self.date.strftime("%Y-%m-%dT%H-%M-%SZ")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "report.json", json.dumps(self.report, indent=1, ensure_ascii=False) + "\n")
        write_whole(folder / "report.html", page.page_of(self.report))
        latest = self.options.output / "latest"
        if latest.is_symlink():
            latest.unlink()
        if not latest.exists():
            latest.symlink_to(folder.name)
        return folder


def write_whole(path, text):
    """Readers see the old file or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def warm_up():
    """A processor that was idle takes a while until it runs as fast as it will. Programs warm up their own work."""
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass


def show(path):
    report = json.loads(pathlib.Path(path).read_text())
    print("\n".join(table.text_of(report)))
    target = pathlib.Path(path).with_suffix(".html")
    write_whole(target, page.page_of(report))
    print(f"\n{target}")


def interrupt(number, frame):
    raise KeyboardInterrupt


def main():
    options = arguments()
    if options.readme is not None:
        return readme.main(pathlib.Path(options.readme or options.output / "latest/report.json"), TOP / "README.md")
    if options.show:
        show(options.show)
        return 0
    picked, unknown = programs.chosen(programs.programs_of(options.source), options.what)
    if options.list:
        print("\n".join(f"{program.area:12} {program.name}" for program in picked))
        return 0
    if unknown:
        words = ", ".join(unknown)
        sys.exit(f"tools/dev perf: neither an area nor part of a program's name: {words} (--list shows both)")
    signal.signal(signal.SIGTERM, interrupt)
    left_out = [program.name for program in picked if options.quick and program.not_quick]
    session = Session(options, [program for program in picked if program.name not in left_out])
    if left_out:
        session.report["problems"].append(f"not in a quick run: {', '.join(left_out)}")
    interrupted = False
    try:
        warm_up()
        session.measure()
    except KeyboardInterrupt:
        interrupted = True
        session.report["problems"].append("interrupted: what follows is what had been measured by then")
    folder = session.write()
    print("\n".join(table.text_of(session.report)))
    print(f"\n{folder}/report.json\n{folder}/report.html")
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
