/* SPDX-License-Identifier: BSD-2-Clause */
/* The header both sides share stands alone, in C11 and (compiled a second time) in C++20;
 * -Wpadded says that every byte of padding in a record is a named field. */
#include <tcpdwell/event.h>

extern struct td_event td_an_event;
