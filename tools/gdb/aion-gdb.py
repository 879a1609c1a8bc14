# SPDX-License-Identifier: MIT
"""The tasks of aion's loops in gdb, of a live process or a core.

	(gdb) source /usr/share/aion/gdb/aion-gdb.py
	(gdb) aion tasks                 all loops, and their tasks as a tree by group
	(gdb) aion info TASK             all about one task
	(gdb) aion bt TASK [full] [N]    its backtrace, also while it is suspended; "all" for every task's
	(gdb) aion apply TASK COMMAND    any command as if the thread ran that task: aion apply 3 info locals
	(gdb) aion core FILE             a core file with the stacks of tasks, which generate-core-file leaves out

TASK is a number of the table, which holds as long as the process stands still, or an address. The library's debug
information is needed. Nothing is written to the process: registers of suspended tasks are what an unwinder says.
"""
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from aion_gdb.core import mend_core
from aion_gdb.frames import TaskView, take_snapshot
from aion_gdb.tasks import children, forget_cached, number, offset_of, op_text, optional
from aion_gdb.tasks import seconds, symbol, timer_text

DEPTH_MAX = 20  # levels of the tree that are indented

snapshot = None


def forget(*_):
	global snapshot
	snapshot = None
	forget_cached()


for event in ("cont", "exited", "memory_changed", "register_changed", "new_objfile", "clear_objfiles",
	      "inferior_deleted"):
	if hasattr(gdb.events, event):
		getattr(gdb.events, event).connect(forget)


def look():
	global snapshot
	inferior = gdb.selected_inferior()
	if not snapshot or snapshot[0] != inferior.num:
		snapshot = (inferior.num, take_snapshot())
	return snapshot[1]


class Command(gdb.Command):
	def split(self, text, usage, least):
		words = text.split(None, 1)
		if len(words) < least:
			raise gdb.GdbError("usage: " + usage)
		return words + [""] * (2 - len(words))

	def invoke(self, text, from_tty):
		self.dont_repeat()
		try:
			self.run(text)
		except gdb.MemoryError as error:
			raise gdb.GdbError("%s: memory is damaged, or not in the core" % error)


class Aion(gdb.Command):
	"""Look at the tasks of aion's loops: aion tasks, aion info, aion bt, aion apply."""

	def __init__(self):
		super().__init__("aion", gdb.COMMAND_STACK, prefix=True)


class AionTasks(Command):
	"""aion tasks: all loops, and their tasks as a tree by group, with what they wait for.

States: running; ready (its turn comes); new (has not begun); waiting; outside (a thread that is not in its loop)."""

	def __init__(self):
		super().__init__("aion tasks", gdb.COMMAND_STACK)

	def run(self, text):
		tasks = look().tasks
		if not tasks:
			gdb.write("No loop.\n")
		head = "%4s  %-14s  %-7s  %-32s  %s\n" % ("TASK", "ADDRESS", "STATE", "NAME", "WAITS FOR")
		for loop in look().loops:
			gdb.write("%s\n%s" % (loop.title(), head))
			for task in tasks:
				if task.loop is loop:
					self.write_task(task)
			lost_nr = loop.task_nr - loop.found_nr
			if lost_nr > 0:
				gdb.write("%d tasks are not found: memory is damaged, or not in the core\n" % lost_nr)

	def write_task(self, task):
		name = "  " * min(task.depth, DEPTH_MAX) + task.name()
		waits_for = (task.waits_for() + (" (cancelled)" if task.value["cancelled"] else "")).strip()
		row = "%4d  %#14x  %-7s  %-32s  %s" % (task.nr, task.address, task.state(), name, waits_for)
		gdb.write(row.rstrip() + "\n")


class AionInfo(Command):
	"""aion info TASK: all about one task."""

	def __init__(self):
		super().__init__("aion info", gdb.COMMAND_STACK)

	def scope_text(self, task, address, value):
		timer = value["timer"]
		words = ["group" if value["is_group"] else "scope", "%#x" % address]
		if value["is_group"]:
			group = address - offset_of("struct aion_group", "scope")
			words.append("(%d tasks)" % len(children(task.loop, group)))
		words += ["shield"] if value["shield"] else []
		words += ["deadline: " + timer_text(task.loop, timer)] if number(timer["place"]) else []
		if int(value["reason"]):
			reason = gdb.Value(int(value["reason"])).cast(gdb.lookup_type("enum aion_reason"))
			words.append("cancelled: %s" % reason)
		elif value["effective"]:
			words.append("cancelled from outside")
		return " ".join(words)

	def stack_text(self, task):
		stack = task.loop.stack_of(number(task.value["sp"])) if number(task.value["sp"]) else None
		if stack is None or task.is_on_cpu():
			return None
		low, high, sp = number(stack["low"]), number(stack["high"]), number(task.value["sp"])
		return "%#x to %#x, in use: %d of %d bytes" % (low, high, high - sp, high - low)

	def run(self, text):
		task = look().find(self.split(text, "aion info TASK", 1)[0])
		value = task.value
		lines = [("task", "%d at %#x, %s, of loop %d" % (task.nr, task.address, task.name(), task.loop.nr)),
			 ("state", task.state() + (", the loop turns on its stack" if task.is_on_cpu() and
						   task.state() in ("waiting", "ready") else ""))]
		lines += [("waits for", task.waits_for())] if task.waits_for() else []
		if not task.is_host:
			lines += [("function", "%s(%#x)" % (symbol(value["fn"]), number(value["arg"]))),
				  ("group", "%#x" % number(value["group"]))]
		if value["cancelled"]:
			lines.append(("cancelled", "alone" if value["cancelled_alone"] else "yes"))
		lines += [("handle", "%#x" % number(value["handle"]))] if value["has_handle"] else []
		lines += [("inside of", self.scope_text(task, *scope)) for scope in task.scopes()]
		lines += [("in flight", op_text(op) + " (op %#x)" % number(op.address)) for op in task.operations()]
		lines += [("stack", self.stack_text(task))] if self.stack_text(task) else []
		if int(optional(value, "since_ns", 0)):
			lines.append(("since", seconds(task.loop.now_ns - int(value["since_ns"]))))
		if number(optional(value, "spawn_site", 0)):
			lines.append(("spawned at", symbol(value["spawn_site"])))
		for label, line in lines:
			gdb.write("%-11s %s\n" % (label + ":", line))


class AionBt(Command):
	"""aion bt TASK [full] [N]: the backtrace of a task, as bt. TASK may be "all"."""

	def __init__(self):
		super().__init__("aion bt", gdb.COMMAND_STACK)

	def run(self, text):
		word, rest = self.split(text, "aion bt TASK|all [full] [N]", 1)
		if word != "all":
			with TaskView(look().find(word)) as view:
				view.backtrace(rest.split())
			return
		for task in look().tasks:
			gdb.write("\nTask %d %s (%s%s):\n" % (task.nr, task.name(), task.state(),
							  " for " + task.waits_for() if task.waits_for() else ""))
			if task.is_begun():
				with TaskView(task) as view:
					view.backtrace(rest.split())


class AionApply(Command):
	"""aion apply TASK COMMAND: COMMAND as if the thread ran that task. Frame 0 of a suspended one is not its."""

	def __init__(self):
		super().__init__("aion apply", gdb.COMMAND_STACK)

	def run(self, text):
		word, command = self.split(text, "aion apply TASK COMMAND", 2)
		with TaskView(look().find(word)):
			gdb.execute(command)


class AionCore(Command):
	"""aion core FILE: as generate-core-file, which leaves stacks of tasks out.

It gives a mapping up at the first page that it cannot read, and there is one below each stack. A core file that the
kernel has written has them all."""

	def __init__(self):
		super().__init__("aion core", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

	def run(self, text):
		path = os.path.expanduser(self.split(text, "aion core FILE", 1)[0])
		tasks = look()
		gdb.execute("generate-core-file " + path)
		gdb.write("Added %d bytes of stacks and what lies among them\n" % mend_core(path, tasks))


Aion()
AionTasks()
AionInfo()
AionBt()
AionApply()
AionCore()
