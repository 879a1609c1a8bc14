# SPDX-License-Identifier: MIT
"""The programs of perf/: what their first comments say of them, and running one."""
import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

AREAS = ("ring", "task", "timer", "sync", "file", "small-files", "chunk", "process", "socket", "sim")
USUAL_ARGS = {"Round": ["-r", "3"], "Quick": ["-r", "1"]}


@dataclasses.dataclass
class Program:
    name: str
    area: str  # "Area: ring." in the first comment
    round_args: list  # "Round: -r 9." there: the options of a round
    quick_args: list  # "Quick: -r 2.": of a round of --quick
    not_quick: bool = False  # "Not quick.": --quick leaves it out
    once: bool = False  # "Once.": what it measures is the same each time, so it runs after the rounds


def first_comment(text):
    comment = re.search(r"/\*\n(.*?)\*/", text, re.S)
    return re.sub(r"\n \* ?", " ", comment.group(1)) if comment else ""


def program_of(name, text):
    comment = first_comment(text)
    area = re.search(r"\bArea: ([a-z-]+)\.", comment)
    args = {word: re.search(rf"\b{word}: ((?:-[a-z] |\d+ ?)+)\.", comment) for word in USUAL_ARGS}
    args = {word: shlex.split(match.group(1)) if match else USUAL_ARGS[word] for word, match in args.items()}
    return Program(name, area.group(1) if area else "other", args["Round"], args["Quick"],
                   "Not quick." in comment, "Once." in comment)


def area_rank(program):
    return (AREAS.index(program.area) if program.area in AREAS else len(AREAS), program.area, program.name)


def programs_of(source_dir):
    """All of them, by area."""
    sources = sorted(pathlib.Path(source_dir).glob("perf_*.c"))
    return sorted((program_of(source.stem, source.read_text()) for source in sources), key=area_rank)


def chosen(programs, words):
    """Those of the areas, or whose names contain the words; all without words. Returns (programs, unknown words)."""
    if not words:
        return programs, []
    areas = {program.area for program in programs} | set(AREAS)
    picked, unknown = set(), []
    for word in words:
        names = {p.name for p in programs if (p.area == word if word in areas else word in p.name)}
        if not names:
            unknown.append(word)
        picked |= names
    return [program for program in programs if program.name in picked], unknown


def stop(child):
    """Ends a program and all that it started: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(timeout=2)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
    child.wait()


def status_text(code):
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}" if code else "ok"


def run(path, args, directory, limit_s):
    """
    Runs a program. Returns (status, lines, notes, seconds): "ok" or what went wrong, the objects that it printed, and
    what it said besides. What it printed before it failed counts.
    """
    start = time.monotonic()
    output = open(os.path.join(directory, "stdout"), "w+b")
    errors = open(os.path.join(directory, "stderr"), "w+b")
    with output, errors:
        try:
            child = subprocess.Popen(
                [path, *args], stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True,
                env={**os.environ, "TMPDIR": directory},
            )
        except OSError as error:
            return f"not started: {error.strerror}", [], [], 0.0
        try:
            code = child.wait(timeout=max(limit_s, 1))
            status = status_text(code)
        except subprocess.TimeoutExpired:
            status = f"stopped after {limit_s:.0f} s"
        finally:
            stop(child)  # also those of its children that it left behind, and if we are interrupted
        output.seek(0)
        errors.seek(0)
        lines, notes = parse(output.read().decode(errors="replace"))
        last_words = errors.read().decode(errors="replace").strip()
    if last_words and status != "ok":
        status += f" ({last_words.splitlines()[-1][:200]})"
    if status == "ok" and not lines and not notes:
        status = "printed nothing"
    return status, lines, notes, time.monotonic() - start


def parse(text):
    """The objects among the lines of a program's output, and the other lines."""
    lines, notes = [], []
    for raw in text.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("bench"), str):
            lines.append(line)
        elif raw.strip():
            notes.append(raw.strip()[:200])
    return lines, notes
