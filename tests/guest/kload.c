// SPDX-License-Identifier: GPL-2.0
/*
 * kload: the next kernel.
 *
 *   kload [-p] KERNEL INITRD WORD...   loads it, with that command line
 *   kload -e                           starts it (kexec)
 *
 * With -p it is the one that runs after a crash. Exit code 0: done; 1: the
 * kernel refused; 2: usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "kload: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static int start(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("kload: reboot");
	return 1;
}

int main(int argc, char **argv)
{
	char line[2048] = "";
	unsigned long flags = 0;
	size_t len = 0;

	if (argc == 2 && !strcmp(argv[1], "-e"))
		return start();
	if (argc > 1 && !strcmp(argv[1], "-p")) {
		flags = KEXEC_FILE_ON_CRASH;
		argv++;
		argc--;
	}
	if (argc < 3 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: kload [-p] KERNEL INITRD WORD... | kload -e\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		len += snprintf(line + len, sizeof(line) - len, "%s%s",
				i > 3 ? " " : "", argv[i]);
		if (len >= sizeof(line)) {
			fprintf(stderr, "kload: the command line is too long\n");
			return 2;
		}
	}
	if (syscall(SYS_kexec_file_load, open_file(argv[1]),
		    open_file(argv[2]), len + 1, line, flags)) {
		perror("kload: kexec_file_load");
		return 1;
	}
	return 0;
}
