# SPDX-License-Identifier: MIT
"""The memory that gdb leaves out of a core file because of the guards between the stacks of tasks."""
import struct

import gdb

from .tasks import number

PAGE_SIZE = 4096
CHUNK_SIZE = 1 << 20
RED_ZONE_SIZE = 128  # bytes below sp that belong to a function, too
PT_LOAD = 1
SEGMENT_NR_MAX = 0xffff  # then the number is elsewhere


def segments(file):
	"""(address, offset in the file, size) of what is in it."""
	header = file.read(64)
	if header[:5] != b"\x7fELF\x02":
		raise gdb.GdbError("not a core file of 64 bits")
	offset, = struct.unpack_from("<Q", header, 32)
	entry_size, nr = struct.unpack_from("<HH", header, 54)
	if nr == SEGMENT_NR_MAX:
		raise gdb.GdbError("too many mappings")
	for i in range(nr):
		file.seek(offset + i * entry_size)
		kind, _, at, address, _, size = struct.unpack("<IIQQQQ", file.read(40))
		if kind == PT_LOAD and size:
			yield address, at, size


def slab_ranges(tasks):
	for loop in tasks.loops:
		for slab in loop.slabs():
			base = number(slab["base"])
			yield base, base + int(slab["slot_size"]) * int(slab["stack_nr"])


def stack_ranges(tasks):
	"""What tasks use of their stacks."""
	for task in tasks.tasks:
		sp = number(task.value["sp"])
		stack = task.loop.stack_of(sp) if sp and not task.is_on_cpu() else None
		if stack is not None:
			yield sp - RED_ZONE_SIZE, number(stack["high"])
	for loop in tasks.loops:
		for slab in loop.slabs() if loop.on_cpu else ():
			for i in range(int(slab["stack_nr"])):
				if number(slab["stacks"][i]["owner"]) == loop.on_cpu:
					yield number(slab["stacks"][i]["low"]), number(slab["stacks"][i]["high"])


def gaps(begin, end, holes):
	"""The ranges of begin to end that are not in holes."""
	for low, high in sorted(holes):
		if low >= end or high <= begin:
			continue
		if low > begin:
			yield begin, low
		begin = max(begin, high)
	if begin < end:
		yield begin, end


def readable(begin, end, size):
	"""(address, bytes) of what can be read, in pieces of at most size bytes."""
	inferior = gdb.selected_inferior()
	while begin < end:
		stop = min(end, begin // size * size + size)
		try:
			yield begin, inferior.read_memory(begin, stop - begin).tobytes()
		except gdb.MemoryError:
			if size > PAGE_SIZE:
				yield from readable(begin, stop, PAGE_SIZE)
		begin = stop


def mend_core(path, tasks):
	"""Write to the file what it lacks of the mappings that have stacks in them. Returns how many bytes."""
	slabs = list(slab_ranges(tasks))
	stacks = list(stack_ranges(tasks))
	written = 0
	with open(path, "r+b") as file:
		for address, offset, size in list(segments(file)):
			end = address + size
			if not any(low < end and high > address for low, high in slabs):
				continue
			wanted = [(max(low, address), min(high, end)) for low, high in stacks
				  if low < end and high > address]
			for low, high in wanted + list(gaps(address, end, slabs)):
				for at, memory in readable(low, high, CHUNK_SIZE):
					if memory.strip(b"\0"):
						file.seek(offset + at - address)
						file.write(memory)
						written += len(memory)
	return written
