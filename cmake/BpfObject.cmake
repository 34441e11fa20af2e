# bpf_skeleton(NAME source.bpf.c): compiles the kernel program and makes its skeleton header.
# The object depends on every header it includes (DEPFILE), so that a change of the shared header
# rebuilds both sides.
find_program(BPF_CLANG NAMES clang clang-19 clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

# No __TARGET_ARCH_…: the object is the same for every processor; what differs is told by BTF.
set(BPF_FLAGS -g -O2 -target bpf -mcpu=v3 -std=gnu11 ${TCPDWELL_WARNINGS} -Wno-unused-parameter
  -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/vmlinux
  -isystem ${bpf_INCLUDEDIR} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})

function(bpf_skeleton name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  get_filename_component(source ${source} ABSOLUTE)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} ${BPF_FLAGS} -fdebug-compilation-dir=. ${TCPDWELL_PREFIX_MAP} -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM
    COMMENT "Compiling BPF program ${name}")
  add_custom_command(
    OUTPUT ${header}
    # clang-tidy is not to judge what bpftool writes.
    COMMAND echo "// NOLINTBEGIN" > ${header}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} >> ${header}
    COMMAND echo "// NOLINTEND" >> ${header}
    DEPENDS ${object} VERBATIM
    COMMENT "Making BPF skeleton ${name}")
  add_custom_target(${name}_skeleton DEPENDS ${header})
endfunction()
