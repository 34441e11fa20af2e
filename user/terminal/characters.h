// SPDX-License-Identifier: BSD-2-Clause
/// What ncurses asks the C library about characters, answered by util/utf8.
///
/// The C library would read its locales, and the tables of its conversions, from the host: those of
/// another version of it, or none. So the linker puts what is here in place of wcwidth() and its
/// kin (user/CMakeLists.txt), and a character has the same width for ncurses as for all other
/// output.
#pragma once

namespace tcpdwell {

/// Whether a terminal takes UTF-8, for the whole process; before that, ASCII alone is a character.
void use_utf8(bool is_utf8);

}  // namespace tcpdwell
