# SPDX-License-Identifier: MIT
"""What the library's memory says of loops and tasks."""
import functools
import itertools
import re

import gdb

OPCODES = """NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE SYNC_FILE_RANGE SENDMSG RECVMSG TIMEOUT
TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT FALLOCATE OPENAT CLOSE FILES_UPDATE STATX READ WRITE FADVISE
MADVISE SEND RECV OPENAT2 EPOLL_CTL SPLICE PROVIDE_BUFFERS REMOVE_BUFFERS TEE SHUTDOWN RENAMEAT UNLINKAT MKDIRAT
SYMLINKAT LINKAT MSG_RING FSETXATTR SETXATTR FGETXATTR GETXATTR SOCKET URING_CMD SEND_ZC SENDMSG_ZC READ_MULTISHOT
WAITID FUTEX_WAIT FUTEX_WAKE FUTEX_WAITV FIXED_FD_INSTALL FTRUNCATE BIND LISTEN RECV_ZC EPOLL_WAIT READV_FIXED
WRITEV_FIXED PIPE""".split()


def number(value):
	return int(value) & 0xFFFFFFFFFFFFFFFF


_caches = []


def cached(function):
	"""For what holds as long as the process stands still and its files are the same."""
	function = functools.lru_cache(None)(function)
	_caches.append(function)
	return function


def forget_cached():
	for function in _caches:
		function.cache_clear()


@cached
def constant(name):
	return int(gdb.parse_and_eval(name))


@cached
def pointer_type(type_name):
	return gdb.lookup_type(type_name).pointer()


def at(address, type_name):
	"""The struct at an address, read in one go."""
	value = gdb.Value(address).cast(pointer_type(type_name)).dereference()
	value.fetch_lazy()
	return value


@cached
def offset_of(type_name, field):
	return gdb.lookup_type(type_name)[field].bitpos // 8


def around(address, type_name, field):
	"""The struct that has this field at the address."""
	return at(address - offset_of(type_name, field), type_name)


def optional(value, field, default):
	"""A field that the library may be too old, or too young, to have."""
	return value[field] if any(f.name == field for f in value.type.fields()) else default


@cached
def symbol_at(address):
	text = gdb.execute("info symbol %#x" % address, to_string=True)
	match = re.match(r"(\S+)( \+ \d+)? in section", text)
	return match.group(1) + (match.group(2) or "").replace(" ", "") if match else "%#x" % address


def symbol(pointer):
	"""Of a code address: "function" or "function+4", else the number."""
	return symbol_at(number(pointer))


def seconds(ns):
	return "%.3f s" % (ns / 1e9)


class Loop:
	def __init__(self, address, nr):
		self.address = address
		self.nr = nr
		self.value = at(address, "struct aion_loop")
		self.host = number(self.value["host"].address)
		self.thread = None  # that of gdb, once it is known
		self.on_cpu = None  # the task on whose stack the thread is; the host, where that is its own
		self.is_inside = False  # the thread is inside aion_loop_run() and the like
		self.now_ns = int(self.value["now_ns"])
		self.task_nr = int(self.value["spawn_nr"]) - int(self.value["end_nr"])
		self.found_nr = 0

	def stack_of(self, address):
		"""The record of the stack that an address lies in, or None."""
		for slab in self.slabs():
			index = (address - number(slab["base"])) // int(slab["slot_size"])
			if 0 <= index < int(slab["stack_nr"]):
				return slab["stacks"][index]
		return None

	def title(self):
		engine = self.value["engine"]
		where = "no thread known"
		if self.thread:
			where = "thread %d (LWP %d)" % (self.thread.num, self.thread.ptid[1] or self.thread.ptid[0])
		return "Loop %d at %#x: %s%s; tasks: %d, operations in flight: %d, offloaded calls: %d, timers: %d" % (
			self.nr, self.address, where, "" if self.is_inside else ", outside of it", self.task_nr,
			int(engine["in_flight_nr"]), int(self.value["call_nr"]), int(self.value["wheel"]["nr"]))

	def slabs(self):
		slab = number(self.value["stacks"]["slabs"])
		while slab:
			value = at(slab, "struct aion__stack_slab")
			yield value
			slab = number(value["next"])


class Task:
	def __init__(self, loop, address, depth):
		self.loop = loop
		self.address = address
		self.depth = depth
		self.nr = None
		self.value = at(address, "struct aion_task")
		self.runnable = address + offset_of("struct aion_task", "runnable")
		self.is_host = address == loop.host

	def name(self):
		if self.is_host:
			return "(thread)"
		name = self.value["name"].string("utf-8", "replace")
		function = symbol(self.value["fn"])
		return "%s [%s]" % (name, function) if name else "[%s]" % function

	def is_on_cpu(self):
		return self.loop.on_cpu == self.address

	def is_awake(self):
		return bool(self.value["runnable"]["is_awake"])

	def is_begun(self):
		return self.is_on_cpu() or number(self.value["sp"]) != 0

	def state(self):
		if self.is_host and not self.loop.is_inside:
			return "outside"
		if number(self.loop.value["engine"]["task"]) == self.runnable:
			return "running"
		if not self.is_awake():
			return "waiting"
		return "ready" if self.is_begun() else "new"

	def scopes(self):
		"""From the outermost inwards: addresses and values."""
		scope = number(self.value["outermost"]) if self.value["in_scope"] else 0
		while scope:
			value = at(scope, "struct aion_scope")
			yield scope, value
			scope = number(value["inner"])

	def operations(self):
		"""Those in flight that it started and that work on a descriptor."""
		engine = self.loop.value["engine"]
		for fd in range(int(engine["fd_nr"])):
			op = number(engine["fd_ops"][fd])
			while op:
				value = at(op, "struct aion_op")
				if number(value["task"]) == self.runnable:
					yield value
				op = number(value["fd_next"])

	def waits_for(self):
		if self.state() != "waiting":
			return ""
		if number(self.value["waits_for"]):
			return future_text(self.loop, number(self.value["waits_for"]))
		scopes = list(self.scopes())
		groups = [group_of(address) for address, value in scopes[-1:] if value["is_group"]]
		groups = [self.loop.value["root"]] if self.is_host else groups
		for group in groups:
			if number(group["joiner"]) == self.address:
				return "group %#x (%d tasks)" % (number(group.address),
								 len(children(self.loop, number(group.address))))
		if self.is_host:
			return "its main task"
		nr = int(optional(self.value, "wait_nr", 0))
		return "%s futures" % (nr or "several")


def group_of(scope):
	return around(scope, "struct aion_group", "scope")


def children(loop, group):
	"""The addresses of a group's tasks, the oldest first."""
	head = group + offset_of("struct aion_group", "children")
	sibling = offset_of("struct aion_task", "sibling")
	link = at(head, "struct aion__link")
	found = []
	while number(link["prev"]) != head:
		found.append(number(link["prev"]) - sibling)
		if len(found) > loop.task_nr:
			raise gdb.GdbError("the list of group %#x is damaged, or changes just now" % group)
		link = at(number(link["prev"]), "struct aion__link")
	return found


def op_text(op):
	future = op["future"]
	fd = int(future["fd"])
	# aion_nop() does not write its opcode.
	is_bare = int(future["flags"]) & constant("AION__OP_BARE")
	opcode = 0 if is_bare else int(op["opcode"])
	name = OPCODES[opcode] if opcode < len(OPCODES) else "opcode %d" % opcode
	if future["flags"] & constant("AION__OP_CANCEL_SENT"):
		name = "cancelled " + name
	return name + (" on descriptor %d" % fd if fd >= 0 else "")


def timer_text(loop, timer):
	if not number(timer["place"]):
		return "timer (not armed)"
	due = int(timer["deadline_ns"]) - loop.now_ns
	return "timer (in %s)" % seconds(due) if due > 0 else "timer (due since %s)" % seconds(-due)


def future_text(loop, address):
	future = at(address, "struct aion_future")
	kind = int(future["kind"])
	text = "future %#x" % address
	if kind == constant("AION__FUTURE_OP"):
		text = op_text(around(address, "struct aion_op", "future"))
	elif kind == constant("AION__FUTURE_HANDLE"):
		task = number(around(address, "struct aion_handle", "future")["task"])
		text = "task %#x %s" % (task, Task(loop, task, 0).name()) if task else "task that has ended"
	elif kind == constant("AION__FUTURE_TIMER"):
		text = timer_text(loop, around(address, "struct aion_timer", "future"))
	elif kind == constant("AION__FUTURE_HELD"):
		text = "promise or buffer %#x" % address
	elif kind in (constant("AION__FUTURE_WAIT"), constant("AION__FUTURE_REMOTE")):
		wait = around(address, "struct aion__wait", "future")
		text = "%s %#x" % (wait["noun"].string() if number(wait["noun"]) else "queue", number(wait["object"]))
	elif kind == constant("AION__FUTURE_CALL"):
		text = "offloaded call of %s" % symbol(around(address, "struct aion__call", "future")["fn"])
	return text + (" (done)" if int(future["waiters"]) == 2 else "")


class Snapshot:
	"""All loops and tasks while the process stands still."""

	def __init__(self):
		self.loops = []
		self.tasks = []
		found = gdb.lookup_global_symbol("aion__loops")
		if not found:
			raise gdb.GdbError("aion is not in this program, or has no debug information")
		address = number(found.value())
		while address:
			self.loops.append(Loop(address, len(self.loops) + 1))
			address = number(self.loops[-1].value["older"])
		self.loops.reverse()
		for nr, loop in enumerate(self.loops, 1):
			loop.nr = nr
			self.add_tasks(loop)

	def add_tasks(self, loop):
		todo = [(loop.host, 0)]
		seen = set()
		while todo:
			address, depth = todo.pop()
			if address in seen:
				raise gdb.GdbError("task %#x is in two groups: memory is damaged" % address)
			seen.add(address)
			task = Task(loop, address, depth)
			self.tasks.append(task)
			task.nr = len(self.tasks)
			loop.found_nr += not task.is_host
			groups = [scope for scope, value in task.scopes() if value["is_group"]]
			groups = [number(loop.value["root"].address)] if task.is_host else groups
			below = itertools.chain.from_iterable(children(loop, group) for group in groups)
			todo.extend(reversed([(child, depth + 1) for child in below]))

	def find(self, text):
		try:
			wanted = number(gdb.parse_and_eval(text))
		except gdb.error as error:
			raise gdb.GdbError("%s: %s" % (text, error))
		for task in self.tasks:
			if wanted in (task.nr, task.address):
				return task
		raise gdb.GdbError("no task %s (see: aion tasks)" % text)
