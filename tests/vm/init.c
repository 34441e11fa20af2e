/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First process of a guest, the only file of its initramfs but kernel modules. Puts a tmpfs over
 * the host's files, which virtiofs shows read-only, runs guest.sh in that, and switches the machine
 * off. Or, with a disk, leaves the machine to the init that is on it.
 *
 * Parameters from the kernel's command line, as environment: td_guest is guest.sh, td_job its
 * argument; td_disk is the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* What is printed goes to the console, whose end the host shows when a boot fails. */
static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	printf("init: %s: %s\n", what, strerror(errno));
	off();
}

static void place(const char *source, const char *target, const char *type, const char *data)
{
	mkdir(target, 0755);
	must(mount(source, target, type, 0, data), target);
}

/* /modules/order: names of files beside it, in the order of loading. */
static void load_modules(void)
{
	FILE *order = fopen("/modules/order", "r");
	char name[256];

	while (order && fscanf(order, "%255s", name) == 1) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			printf("init: module %s: %s\n", name, strerror(errno));
		close(fd);
	}
	if (order)
		fclose(order);
}

static void place_files(void)
{
	place("root", "/host", "virtiofs", NULL);
	place("upper", "/upper", "tmpfs", "size=80%");
	mkdir("/upper/files", 0755);
	mkdir("/upper/work", 0755);
	place("root", "/root", "overlay",
	      "lowerdir=/host,upperdir=/upper/files,workdir=/upper/work");
}

static void enter_root(void)
{
	static const char *const kept[] = {"dev", "proc", "sys"};

	for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		char from[16], to[24];

		snprintf(from, sizeof(from), "/%s", kept[i]);
		snprintf(to, sizeof(to), "/root/%s", kept[i]);
		mkdir(to, 0755);
		must(mount(from, to, NULL, MS_MOVE, NULL), to);
	}
	must(chdir("/root"), "chdir");
	must(mount(".", "/", NULL, MS_MOVE, NULL), "/");
	must(chroot("."), "chroot");
	must(chdir("/"), "chdir");
}

int main(void)
{
	const char *guest = getenv("td_guest"), *job = getenv("td_job"), *disk = getenv("td_disk");
	pid_t child;

	place("devtmpfs", "/dev", "devtmpfs", NULL);
	place("proc", "/proc", "proc", NULL);
	place("sysfs", "/sys", "sysfs", NULL);
	load_modules();
	if (disk) {
		place(disk, "/root", "ext4", NULL);
		enter_root();
		execl("/sbin/init", "init", (char *)NULL);
		must(-1, "/sbin/init");
	}
	place_files();
	enter_root();
	child = fork();
	if (child == 0) {
		execl("/bin/bash", "bash", guest ? guest : "", job ? job : "", (char *)NULL);
		must(-1, "bash");
	}
	/* Orphans become this process's children. */
	while (child > 0 && wait(NULL) != child)
		;
	off();
}
