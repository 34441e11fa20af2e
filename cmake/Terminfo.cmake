# terminfo(OUTPUT.h): the descriptions of common terminals (Debian's ncurses-base), for a host that has none: as a
# header with a list of their names and what ncurses takes in $TERMINFO in place of a file's name.
set(TERMINFO_NAMES xterm-256color xterm xterm-color screen-256color screen tmux-256color tmux linux rxvt-unicode-256color
    rxvt-unicode vt100 vt220)

function(terminfo output)
  set(rows "")
  set(TERMINFO_FILES "")
  foreach(name IN LISTS TERMINFO_NAMES)
    string(SUBSTRING ${name} 0 1 letter)
    find_file(file ${letter}/${name} PATHS /lib/terminfo /usr/lib/terminfo /usr/share/terminfo NO_DEFAULT_PATH NO_CACHE REQUIRED)
    file(READ ${file} bytes HEX)
    string(APPEND rows "    {\"${name}\", \"hex:${bytes}\"},\n")
    string(APPEND TERMINFO_FILES "${file}\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    unset(file)
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT "#pragma once
#include <utility>
namespace tcpdwell {
inline constexpr std::pair<const char*, const char*> kBuiltInTerminals[] = {
${rows}};
}  // namespace tcpdwell
")
  # For packaging/sbom.
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/terminfo.files CONTENT "${TERMINFO_FILES}" @ONLY)
endfunction()
