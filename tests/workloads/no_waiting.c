// SPDX-License-Identifier: BSD-2-Clause
/// LD_PRELOAD: a kernel without the memory, or a process without the descriptors, for one of the
/// calls that make waiting possible. FAILING_CALL names it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(const char *name)
{
	const char *failing = getenv("FAILING_CALL");

	return failing && strcmp(failing, name) == 0;
}

#define FAILING(name, parameters, ...)                                                             \
	int name parameters;                                                                       \
	int name parameters                                                                        \
	{                                                                                          \
		if (fails(#name)) {                                                                \
			errno = ENOMEM;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return (int)syscall(__VA_ARGS__);                                                  \
	}

FAILING(epoll_create1, (int flags), SYS_epoll_create1, flags)
FAILING(epoll_ctl, (int epoll, int what, int fd, void *event), SYS_epoll_ctl, epoll, what, fd,
	event)
FAILING(epoll_wait, (int epoll, void *events, int most, int ms), SYS_epoll_pwait, epoll, events,
	most, ms, NULL, 8)
FAILING(timerfd_create, (int clock, int flags), SYS_timerfd_create, clock, flags)
FAILING(timerfd_settime, (int fd, int flags, const void *new, void *old), SYS_timerfd_settime, fd,
	flags, new, old)
FAILING(eventfd, (unsigned int count, int flags), SYS_eventfd2, count, flags)
FAILING(signalfd, (int fd, const void *set, int flags), SYS_signalfd4, fd, set, 8, flags)
