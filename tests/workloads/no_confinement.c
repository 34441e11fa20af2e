// SPDX-License-Identifier: BSD-2-Clause
/// LD_PRELOAD: a kernel, or a container, that lets nobody set no_new_privs.
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...)
{
	unsigned long values[4];
	va_list more;

	va_start(more, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(more, unsigned long);
	va_end(more);
	if (option == PR_SET_NO_NEW_PRIVS) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_prctl, option, values[0], values[1], values[2], values[3]);
}
