/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First process of a machine that is put to sleep: all there is beside /tcpdwell
 * in the initramfs. Traces a connection, suspends the machine for a while in the middle of it, and
 * says on the second serial port what it knows, then the trace. Another file system would be in the
 * way: virtiofs refuses to be suspended.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <net/if.h>

static FILE *tell;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(tell ? tell : stdout, "asleep: %s: %m\n", what);
	fflush(NULL);
	sync();
	reboot(RB_POWER_OFF);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY);

	must(fd, path);
	must((int)write(fd, text, strlen(text)), path);
	close(fd);
}

static void loopback_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
	close(fd);
}

static int contains(const char *path, const char *text)
{
	char content[4096];
	FILE *file = fopen(path, "r");
	size_t size;

	if (!file)
		return 0;
	size = fread(content, 1, sizeof(content) - 1, file);
	content[size] = 0;
	fclose(file);
	return strstr(content, text) != NULL;
}

static pid_t trace(void)
{
	const pid_t child = fork();

	if (child == 0) {
		const int errors = open("/errors", O_WRONLY | O_CREAT, 0600);

		dup2(errors, STDERR_FILENO);
		execl("/tcpdwell", "tcpdwell", "record", "-o", "/trace", (char *)NULL);
		_exit(127);
	}
	/* Written a second after it was attached. */
	while (!contains("/trace", "header"))
		if (waitpid(child, NULL, WNOHANG) == child || usleep(100000))
			break;
	return child;
}

struct pair {
	int client, server, port;
};

static struct pair connection(int listener)
{
	struct sockaddr_in at;
	socklen_t size = sizeof(at);
	struct pair pair = {.client = socket(AF_INET, SOCK_STREAM, 0)};

	getsockname(listener, (struct sockaddr *)&at, &size);
	must(connect(pair.client, (struct sockaddr *)&at, size), "connect");
	pair.server = accept(listener, NULL, NULL);
	must(pair.server, "accept");
	getsockname(pair.client, (struct sockaddr *)&at, &size);
	pair.port = ntohs(at.sin_port);
	return pair;
}

/* The client first, so that it is in TIME_WAIT. */
static void end(struct pair pair)
{
	char byte;

	shutdown(pair.client, SHUT_WR);
	must((int)read(pair.server, &byte, 1), "read");
	close(pair.server);
	must((int)read(pair.client, &byte, 1), "read");
	close(pair.client);
}

static void copy(const char *path)
{
	char line[65536];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		fputs(line, tell);
	if (file)
		fclose(file);
}

int main(void)
{
	const char *sleep_s = getenv("td_sleep"), *stay_s = getenv("td_stay");
	char wake[32];
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pair before, through;
	double began, awake, asleep, all;
	int listener, status = -1;
	pid_t tracer;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	if (freopen("/dev/console", "w", stdout))
		setlinebuf(stdout);
	tell = fopen("/dev/ttyS1", "w");
	must(tell ? 0 : -1, "ttyS1");
	loopback_up();
	tracer = trace();
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&any, sizeof(any)), "bind");
	must(listen(listener, 8), "listen");

	before = connection(listener);
	end(before);
	through = connection(listener);
	began = seconds(CLOCK_MONOTONIC);
	asleep = seconds(CLOCK_BOOTTIME) - seconds(CLOCK_MONOTONIC);
	sleep(1);
	snprintf(wake, sizeof(wake), "+%s", sleep_s ? sleep_s : "5");
	put("/sys/class/rtc/rtc0/wakealarm", wake);
	put("/sys/power/mem_sleep", "deep");
	put("/sys/power/state", "mem");
	sleep(1);
	awake = seconds(CLOCK_MONOTONIC) - began;
	end(through);
	asleep = seconds(CLOCK_BOOTTIME) - seconds(CLOCK_MONOTONIC) - asleep;
	all = seconds(CLOCK_REALTIME);
	sleep(stay_s ? (unsigned)atoi(stay_s) : 1);
	kill(tracer, SIGINT);
	waitpid(tracer, &status, 0);
	fprintf(tell,
		"{\"type\":\"truth\",\"status\":%d,\"before\":%d,\"through\":%d,\"awake_s\":%.6f,"
		"\"asleep_s\":%.6f,\"wall_s\":%.6f}\n",
		status, before.port, through.port, awake, asleep, all);
	copy("/trace");
	fprintf(tell, "errors:\n");
	copy("/errors");
	fprintf(tell, "complete\n");
	fclose(tell);
	sleep(1);
	sync();
	reboot(RB_POWER_OFF);
}
