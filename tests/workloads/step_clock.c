// SPDX-License-Identifier: BSD-2-Clause
/// LD_PRELOAD: a wall clock that jumps by STEP_CLOCK_SECONDS once the file STEP_CLOCK_WHEN exists.
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *when = getenv("STEP_CLOCK_WHEN"), *seconds = getenv("STEP_CLOCK_SECONDS");
	const int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && clock == CLOCK_REALTIME && when && seconds && access(when, F_OK) == 0)
		now->tv_sec += atol(seconds);
	return result;
}
