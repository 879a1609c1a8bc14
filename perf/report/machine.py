# SPDX-License-Identifier: MIT
"""What a report says of the machine and the build."""
import os
import pathlib
import platform
import re
import subprocess


def output_of(*command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def text_of(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def found(pattern, text, default="unknown"):
    match = re.search(pattern, text, re.M)
    return match.group(1).strip() if match else default


def machine():
    memory_kib = int(found(r"^MemTotal:\s+(\d+)", text_of("/proc/meminfo"), "0"))
    cpuinfo = text_of("/proc/cpuinfo")
    return {
        "cpu": found(r"^model name\s*:\s*(.*)", cpuinfo, platform.machine()),
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in found(r"^flags\s*:\s*(.*)", cpuinfo, "").split(),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
        "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or "none",
        "load": os.getloadavg()[0],
    }


def commit(top):
    name = output_of("git", "log", "-1", "--format=%h %cs", cwd=top) or "unknown"
    return name + (" with changes" if output_of("git", "status", "--porcelain", cwd=top) else "")


def build(build_dir):
    """The compiler and how it was called for the library."""
    compiler = found(r"^CMAKE_C_COMPILER:\w+=(.*)", text_of(build_dir / "CMakeCache.txt"), "cc")
    rules = text_of(build_dir / "build.ninja")
    flags = found(r"^build lib/CMakeFiles/\S*\.c\.o:[^\n]*\n(?:  [^\n]*\n)*?  FLAGS = (.*)", rules)
    return {
        "compiler": (output_of(compiler, "--version") or "unknown").splitlines()[0],
        "flags": re.sub(r"-(?:iquote|isystem|I) ?\S+ ?", "", flags),  # the options that count, without the folders
        "libc": " ".join(platform.libc_ver()),
        "liburing": output_of("pkg-config", "--modversion", "liburing") or "unknown",
    }
