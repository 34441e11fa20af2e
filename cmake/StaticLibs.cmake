# Imported targets for the libraries that the binary carries inside itself.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED) # its headers alone
find_package(CLI11 REQUIRED)
find_package(RapidJSON REQUIRED)
find_package(tsl-robin-map REQUIRED)
find_path(HIGHWAYHASH_INCLUDE_DIR highwayhash/sip_hash.h REQUIRED) # its headers alone

# static_library(NAME package): target tcpdwell::NAME from the archive of a pkg-config package.
function(static_library name package)
  pkg_check_modules(${name} REQUIRED ${package})
  find_library(${name}_ARCHIVE NAMES lib${name}.a HINTS ${${name}_LIBRARY_DIRS} REQUIRED)
  add_library(tcpdwell::${name} STATIC IMPORTED GLOBAL)
  set_target_properties(tcpdwell::${name} PROPERTIES
    IMPORTED_LOCATION ${${name}_ARCHIVE}
    INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIRS}")
endfunction()

static_library(z zlib)
static_library(zstd libzstd)
static_library(utf8proc libutf8proc)
static_library(seccomp libseccomp)
static_library(tinfo tinfo)
static_library(ncursesw ncursesw)
target_link_libraries(tcpdwell::ncursesw INTERFACE tcpdwell::tinfo)
static_library(event_core libevent_core)
static_library(event_extra libevent_extra)
add_library(no_resolver STATIC ${PROJECT_SOURCE_DIR}/cmake/no_resolver.c)
target_compile_options(no_resolver PRIVATE ${TCPDWELL_WARNINGS})
foreach(call getnameinfo getaddrinfo freeaddrinfo getservbyname getprotobynumber)
  target_link_libraries(tcpdwell::event_core INTERFACE -Wl,--wrap=${call})
endforeach()
target_link_libraries(tcpdwell::event_core INTERFACE no_resolver)
target_link_libraries(tcpdwell::event_extra INTERFACE tcpdwell::event_core)
add_library(tcpdwell_fmt STATIC ${PROJECT_SOURCE_DIR}/cmake/fmt.cpp)
target_compile_options(tcpdwell_fmt PRIVATE ${TCPDWELL_WARNINGS})
add_library(tcpdwell::fmt ALIAS tcpdwell_fmt)
static_library(elf libelf)
static_library(bpf libbpf)
add_library(libelf_search STATIC ${PROJECT_SOURCE_DIR}/cmake/libelf_search.c)
target_compile_options(libelf_search PRIVATE ${TCPDWELL_WARNINGS})
target_link_libraries(tcpdwell::elf INTERFACE libelf_search tcpdwell::z tcpdwell::zstd)
target_link_libraries(tcpdwell::bpf INTERFACE tcpdwell::elf)
