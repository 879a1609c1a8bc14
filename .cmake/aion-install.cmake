# SPDX-License-Identifier: MIT
# Installs the libraries, the public headers, the CMake package, the pkg-config file and the script for gdb.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/aion)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS aion EXPORT aion-shared)
install(TARGETS aion_static EXPORT aion-static)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tools/gdb/ DESTINATION ${CMAKE_INSTALL_DATADIR}/aion/gdb
	FILES_MATCHING PATTERN "*.py" PATTERN __pycache__ EXCLUDE)

install(EXPORT aion-shared NAMESPACE aion:: FILE aion-shared.cmake DESTINATION ${package_dir})
install(EXPORT aion-static NAMESPACE aion:: FILE aion-static.cmake DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/.cmake/aionConfig.cmake.in aionConfig.cmake
	INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(aionConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aionConfig.cmake
	${CMAKE_CURRENT_BINARY_DIR}/aionConfigVersion.cmake DESTINATION ${package_dir})

# The prefix is found from where the file lies, so that the tree may be moved.
file(RELATIVE_PATH pc_to_prefix /prefix/${pc_dir} /prefix)
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_libs_private "-pthread")
if(aion_mimalloc)
	string(PREPEND pc_libs_private "-lmimalloc ")
endif()
set(pc_cflags)
if(CMAKE_C_COMPILER_ID STREQUAL GNU OR aion_arch STREQUAL x86_64)
	set(pc_cflags " -fstack-clash-protection")
endif()
configure_file(${PROJECT_SOURCE_DIR}/.cmake/aion.pc.in aion.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aion.pc DESTINATION ${pc_dir})
