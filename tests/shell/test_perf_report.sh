#!/bin/sh
# SPDX-License-Identifier: MIT
# What puts the measurements together: recorded lines in, table and page out; programs that fail or hang.
set -u

if ! command -v python3 >/dev/null; then
	echo 'skipped: no python3'
	exit 0
fi
exec python3 -B "$(dirname "$0")/../../perf/report/check.py"
