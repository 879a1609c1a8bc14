# SPDX-License-Identifier: MIT
"""README.md's comparison, written from a report between two marker comments."""
import json
import sys

from lines import cases_of
from table import number

BEGIN = "<!-- perf: begin (written by tools/dev perf --readme) -->"
END = "<!-- perf: end -->"


def ns(value):
    return f"{value / 1000:.3g} us" if value >= 1000 else f"{value:.0f} ns" if value >= 10 else f"{value:.1f} ns"


def kib(value):
    return f"{value / 1024:.1f} KiB"


def ratio(value):
    return f"{value:.2f}"


def times(value):
    return f"{value:.1f} times as fast"


def plain(value):
    return f"{value:g}"


# One row a measure: (text, program and what the raw way is, key of aion's figure, how to write it, key of the raw one
# or a text, how, the cases). A case is the bench and those of its parameters that tell it from others.
ROWS = (
    ("awaited NOP, 1 / 8 / 32 / 128 in flight, over raw liburing", "`perf_nop_await`", "ratio", ratio, "raw_ns", ns,
     [("nop", {"in_flight": n}) for n in (1, 8, 32, 128)]),
    ("task switch, one call site, 2 / 1000 tasks", "`perf_task_switch` (threads: `sched_yield()`)",
     "aion_ns", ns, "raw_ns", ns, [("switch", {"sites": "one", "tasks": n}) for n in (2, 1000)]),
    ("spawn + run + join, one at a time / 1000 queued", "`perf_task_spawn` (threads)", "aion_ns", ns, "raw_ns", ns,
     [("spawn", {"how": "queued"}), ("spawn", {"how": "many_run"})]),
    ("resident memory a suspended task, a million tasks", "`perf_task_memory` (threads, without the kernel's stack)",
     "aion_bytes", kib, "raw_bytes", kib, [("memory", {"wait": "future", "tasks": 1000000})]),
    ("a million timers: arm / cancel / fire", "`perf_timer_wheel` (kernel timers, a thousand)",
     "aion_ns", ns, "raw_ns", ns,
     [("timer", {"phase": phase, "timers": 1000000}) for phase in ("arm", "cancel", "fire")]),
    ("hot 4 KiB reads, one at a time over `pread(2)` / 32 tasks over raw liburing, rates", "`perf_read_random`",
     "ratio", ratio, "1", None, [("read_random", {"mode": "hot", "raw": "pread", "in_flight": 1}),
                                 ("read_random", {"mode": "hot", "raw": "io_uring", "in_flight": 32})]),
    ("one large file, `aio-cat` over `cat`: to /dev/null / into another cat / `-n`", "`perf_cat_file`",
     "ratio", times, "1", None, [("cat", {"variant": variant}) for variant in ("null", "pipe into cat", "-n")]),
    ("hot file: reads over `read(2)`, rates / newlines over `wc -l`, one core / two / xxh3 over `xxhsum`, times",
     "`perf_chunk_read`, `perf_chunk_hash`", "ratio", ratio, "1", None,
     [("chunk_read", {"mode": "nothing"}), ("chunk_read", {"mode": "newlines", "workers": 0}),
      ("chunk_read", {"mode": "newlines", "workers": 2}), ("chunk_hash", {"hash": "xxh3"})]),
    ("mutex lock + unlock / semaphore acquire + release", "`perf_sync_cost` (pthread mutex, sem_t)", "aion_ns", ns,
     "raw_ns", ns, [("sync", {"what": "mutex"}), ("sync", {"what": "semaphore"})]),
    ("4 KiB files, `aio-cat` over `xargs cat`, cold / hot", "`perf_files_small`", "ratio", times, "1", None,
     [("files_small", {"variant": variant}) for variant in ("cold", "hot")]),
    ("echo, 64 connections, 64 bytes: the server's CPU time over io_uring by hand / messages a second over epoll",
     "`perf_echo_rate`", "ratio", ratio, "1", None,
     [("echo", {"measure": measure, "conns": 64, "bytes": 64}) for measure in ("server_cpu", "rate")]),
    ("echo, 64 connections, 64 bytes, over the best of threads, libuv, libev, Boost.Asio: CPU time / messages a second",
     "`perf_echo_rate`", "ratio", ratio, "1", None,
     [("echo", {"measure": measure, "conns": 64, "bytes": 64, "peer": "best peer"})
      for measure in ("peer_server_cpu", "peer_rate")]),
    ("allocations an awaited operation, once warm (all kinds, the most)", "`perf_alloc_count`",
     "allocations_each", plain, "", None, [("alloc_count", {})]),
)


def find(cases, bench, params):
    """The cases of a bench with these parameters: one, or all operations of alloc_count (spawning is none: no bar)."""
    found = [case for case in cases if case.bench == bench and all(case.params.get(k) == v for k, v in params.items())]
    if "peer" not in params:
        found = [case for case in found if "peer" not in case.params]
    if bench == "alloc_count":
        return [case for case in found if case.bar is not None]
    if len(found) > 1:
        raise ValueError(f"{', '.join(case.name for case in found)}: ROWS must say which of them is meant")
    return found


def figure(cases, wanted, key, write):
    """The figures of a cell, slash by slash; what was not measured is a dash."""
    texts = []
    for bench, params in wanted:
        known = [case.ratio() if key == "ratio" else case.median(key) for case in find(cases, bench, params)]
        known = [value for value in known if value is not None]
        texts.append(write(max(known)) if known else "–")
    return " / ".join(texts)


def text_of(report):
    cases, _ = cases_of(report)
    machine = report["machine"]
    done = len({entry["round"] for entry in report["lines"]})
    kind = "virtual machine" if machine["virtual"] else "machine"
    out = [
        BEGIN,
        f"Measured {report['date'][:10]} on a {machine['cpus']}-CPU {kind} ({machine['cpu']}),",
        f"kernel {machine['kernel']}, commit {report['commit']}, {report['build']['compiler']}:",
        f"medians of {done} {'rounds' if done != 1 else 'round'}, load {machine['load']:.1f} at the start.",
        "",
        "| measure | aion | the raw way | program |",
        "|---|---|---|---|",
    ]
    for text, program, key, write, raw, write_raw, wanted in ROWS:
        raw_text = figure(cases, wanted, raw, write_raw) if write_raw else raw
        out.append(f"| {text} | {figure(cases, wanted, key, write)} | {raw_text} | {program} |")
    judged = [case for case in cases if case.verdict()]
    passed = [case for case in judged if case.verdict().startswith("pass")]
    loose = [case for case in judged if not case.agrees() and not case.once]
    out += [
        "",
        f"{len(passed)} of {len(judged)} bars of `perf/` held; the rounds of {len(judged) - len(loose)} of these",
        "figures agreed within 5 %.",
        END,
    ]
    return "\n".join(out)


def replaced(readme, block):
    """The text with what is between the markers replaced."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise ValueError(f"not one pair of marker comments: {BEGIN} … {END}")
    head, rest = readme.split(BEGIN)
    return head + block + rest.split(END)[1]


def main(report_path, readme_path):
    try:
        report = json.loads(report_path.read_text())
        text = replaced(readme_path.read_text(), text_of(report))
    except (OSError, ValueError) as error:
        print(f"tools/dev perf --readme: {error}", file=sys.stderr)
        return 1
    readme_path.write_text(text)
    print(f"{readme_path} now tells of {report_path}, {report['date']}")
    return 0
