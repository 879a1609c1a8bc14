# SPDX-License-Identifier: MIT
# Target `aion_flags`: what every source of the project is compiled with.
# Also sets aion_arch, aion_mimalloc and aion_stack_clash for the files below.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(aion_arch generic)
if(CMAKE_SIZEOF_VOID_P EQUAL 8)
	if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
		set(aion_arch x86_64)
	elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
		set(aion_arch aarch64)
	endif()
endif()

# mimalloc blinds the sanitizers and valgrind.
set(aion_mimalloc ${AION_MIMALLOC})
if(AION_SANITIZE OR AION_VALGRIND)
	set(aion_mimalloc OFF)
endif()

# A frame larger than a task's guard must touch every page. Our users' frames too: it is exported.
set(aion_stack_clash_ids GNU)
if(aion_arch STREQUAL x86_64)
	string(APPEND aion_stack_clash_ids ",Clang")
endif()
set(aion_stack_clash
	$<$<COMPILE_LANG_AND_ID:C,${aion_stack_clash_ids}>:-fstack-clash-protection>
	$<$<COMPILE_LANG_AND_ID:CXX,${aion_stack_clash_ids}>:-fstack-clash-protection>)

add_library(aion_flags INTERFACE)
target_compile_definitions(aion_flags INTERFACE _GNU_SOURCE
	$<$<BOOL:${AION_DEBUG_ASSERTS}>:AION_DEBUG_ASSERTS=1>
	$<$<BOOL:${AION_DEBUG_ASSERTS}>:AION_FAULTS=1>
	$<$<BOOL:${AION_PROBES}>:AION_PROBES=1>
	$<$<BOOL:${AION_VALGRIND}>:AION_VALGRIND=1>)
target_compile_options(aion_flags INTERFACE
	$<$<COMPILE_LANGUAGE:C>:-fvisibility=hidden;-ftls-model=initial-exec;-fno-semantic-interposition>
	${aion_stack_clash})
if(PROJECT_IS_TOP_LEVEL)
	set(aion_warnings -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef
		-Wpointer-arith -Wwrite-strings -Wno-unused-parameter)
	target_compile_options(aion_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:${aion_warnings}>")
endif()
if(AION_SANITIZE)
	set(aion_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
	target_compile_options(aion_flags INTERFACE
		"$<$<COMPILE_LANGUAGE:C>:${aion_sanitize};-fno-omit-frame-pointer>")
	add_link_options(${aion_sanitize})
endif()
