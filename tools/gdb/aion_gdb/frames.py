# SPDX-License-Identifier: MIT
"""Which thread runs which task, and the frames of those that no thread runs."""
import itertools
import re

import gdb
import gdb.unwinder

from .tasks import Snapshot, at, number

FRAME_MAX = 1000  # frames of a thread that are looked at, to see what it runs

# Where a suspended context keeps its registers, in bytes from its saved sp (lib/task/switch_*.S), and what sp is for
# the caller.
SAVED = {
	"i386:x86-64": ({"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48}, "rsp", 56),
	"aarch64": (dict({"x29": 0, "pc": 8}, **{"x%d" % i: 16 + 8 * (i - 19) for i in range(19, 29)}), "sp", 160),
}


def walk(frame):
	for _ in range(FRAME_MAX):
		if frame is None:
			return
		yield frame
		frame = frame.older()


def look_at_thread(thread, loops):
	"""Whose stack the thread is on. Its newest frame may be a signal handler's, on a stack of its own."""
	try:
		handle = int.from_bytes(thread.handle(), "little")
	except (RuntimeError, gdb.error):
		handle = None
	own = [loop for loop in loops if loop.value["is_bound"] and handle == number(loop.value["thread"])]
	frames = walk(gdb.newest_frame())
	for frame in frames if own else itertools.islice(frames, 1):
		for loop in loops:
			stack = loop.stack_of(number(frame.read_register("sp")))
			if stack is not None:
				loop.thread = thread
				loop.is_inside = True
				loop.on_cpu = None if stack_is_dead(frame) else number(stack["owner"])
				return own
	return own


def stack_is_dead(frame):
	"""The task has ended, and the loop turns on its stack until there is another one to go on."""
	newer = None
	for frame in walk(frame):
		if frame.name() == "aion__task_entry":
			return newer in ("aion__loop_turn", "aion__loop_next", "task_leave_for_fresh")
		newer = frame.name()
	return False


def find_threads(loops):
	"""Which thread runs each loop, and on which stack. Threads and frames are selected on the way, and put back."""
	place = Place()
	try:
		for thread in gdb.selected_inferior().threads():
			thread.switch()
			for loop in look_at_thread(thread, loops):
				if not loop.thread:
					loop.thread = thread
					loop.on_cpu = loop.host
					loop.is_inside = runs_inside(loop)
	finally:
		place.restore()


def runs_inside(loop):
	"""On its own stack, the thread is inside the loop if it has called something that runs it."""
	inside = ("aion_loop_run", "aion_loop_turn", "aion_loop_destroy", "host_suspend")
	return any(frame.name() in inside for frame in walk(gdb.newest_frame()))


class Place:
	"""The selected thread and frame."""

	def __init__(self):
		self.thread = gdb.selected_thread()
		self.level = 0
		if self.thread:
			try:
				self.level = gdb.selected_frame().level()
			except gdb.error:
				pass

	def restore(self):
		if not self.thread or not self.thread.is_valid():
			return
		self.thread.switch()
		frame = gdb.newest_frame()
		for _ in range(self.level):
			frame = frame.older() or frame
		frame.select()


def take_snapshot():
	"""All loops and tasks, and who runs them."""
	snapshot = Snapshot()
	find_threads(snapshot.loops)
	return snapshot


class FrameId:
	def __init__(self, sp, pc):
		self.sp = sp
		self.pc = pc


class TaskUnwinder(gdb.unwinder.Unwinder):
	"""Says that what the thread runs has been called by a suspended task: no register is written for that."""

	def __init__(self):
		super().__init__("aion-task")
		self.enabled = False
		self.place = None
		self.registers = {}

	def __call__(self, pending):
		if (number(pending.read_register("sp")), number(pending.read_register("pc"))) != self.place:
			return None
		# A callee's frame is below its caller's: nothing is below the lowest.
		info = pending.create_unwind_info(FrameId(gdb.Value(16), pending.read_register("pc")))
		for name, value in self.registers.items():
			info.add_saved_register(name, gdb.Value(value).cast(pending.read_register(name).type))
		return info

	def enter(self, registers):
		frame = gdb.newest_frame()
		self.place = (number(frame.read_register("sp")), number(frame.read_register("pc")))
		self.registers = registers
		self.enabled = True
		gdb.invalidate_cached_frames()

	def leave(self):
		self.enabled = False
		gdb.invalidate_cached_frames()


unwinder = TaskUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def saved_by_ucontext(sp, architecture):
	context = at(sp, "ucontext_t")["uc_mcontext"]
	if architecture == "i386:x86-64":
		names = "r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip".split()
		return {name: number(context["gregs"][i]) for i, name in enumerate(names)}
	registers = {"x%d" % i: number(context["regs"][i]) for i in range(31)}
	return dict(registers, sp=number(context["sp"]), pc=number(context["pc"]))


def saved_registers(sp):
	"""The registers of a suspended context, as they will be when it goes on."""
	architecture = gdb.newest_frame().architecture().name()
	switch = number(gdb.parse_and_eval("(unsigned long)&aion__switch"))
	table = gdb.find_pc_line(switch).symtab
	if table and table.filename.endswith("switch_ucontext.c"):
		return saved_by_ucontext(sp, architecture)
	if architecture not in SAVED:
		raise gdb.GdbError("no backtraces of tasks on %s" % architecture)
	offsets, sp_name, size = SAVED[architecture]
	word = gdb.lookup_type("unsigned long").pointer()
	registers = {name: number(gdb.Value(sp + offset).cast(word).dereference()) for name, offset in offsets.items()}
	registers[sp_name] = sp + size
	return registers


class TaskView:
	"""The frames of a task in the place of its thread's; of a suspended one behind what the thread really runs."""

	def __init__(self, task):
		self.task = task
		self.skip = 0  # frames that are not the task's

	def __enter__(self):
		if not self.task.is_begun():
			raise gdb.GdbError("task %d has not begun" % self.task.nr)
		if not gdb.selected_thread():
			raise gdb.GdbError("no thread")
		self.place = Place()
		self.past_main = gdb.parameter("backtrace past-main")
		if self.task.loop.thread:
			self.task.loop.thread.switch()
		if not self.task.is_on_cpu():
			self.borrow()
		return self

	def borrow(self):
		"""Else the thread's main() would be taken for the end."""
		gdb.newest_frame().select()
		gdb.execute("set backtrace past-main on")
		unwinder.enter(saved_registers(number(self.task.value["sp"])))
		frame = gdb.newest_frame()
		self.skip = 1
		while frame.type() == gdb.INLINE_FRAME:
			frame = frame.older()
			self.skip += 1
		frame = frame.older()
		if not frame:
			unwinder.leave()
			raise gdb.GdbError("the stack of task %d cannot be read" % self.task.nr)
		frame.select()

	def __exit__(self, *error):
		if self.skip:
			unwinder.leave()
			gdb.execute("set backtrace past-main %s" % ("on" if self.past_main else "off"))
		self.place.restore()

	def backtrace(self, args):
		"""gdb's own, without the frames that are not the task's."""
		args = [str(int(arg) + self.skip) if arg.isdigit() else arg for arg in args]
		nr = -1
		for line in gdb.execute("bt " + " ".join(args), to_string=True).splitlines(True):
			match = re.match(r"#(\d+) +", line)
			if match:
				nr = int(match.group(1)) - self.skip
				line = "#%-3d" % nr + line[match.end():]
			if nr >= 0:
				gdb.write(line)
