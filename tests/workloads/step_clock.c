// SPDX-License-Identifier: BSD-2-Clause
/// LD_PRELOAD: a clock that jumps by STEP_CLOCK_SECONDS once the file STEP_CLOCK_WHEN exists: the
/// wall clock, or with STEP_CLOCK=boottime that of the time since boot, as it does when the machine
/// was suspended.
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *when = getenv("STEP_CLOCK_WHEN"), *seconds = getenv("STEP_CLOCK_SECONDS");
	const char *which = getenv("STEP_CLOCK");
	const clockid_t stepped =
	    which && !strcmp(which, "boottime") ? CLOCK_BOOTTIME : CLOCK_REALTIME;
	const int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && clock == stepped && when && seconds && access(when, F_OK) == 0)
		now->tv_sec += atol(seconds);
	return result;
}
