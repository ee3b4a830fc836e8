// SPDX-License-Identifier: GPL-2.0
/*
 * The two I/O ports of hvsim. An exchange is a request and its answer, so a
 * lock file keeps exchanges of several processes apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/io.h>
#include <unistd.h>

#include "ctl.h"

#define PORT_REQUEST	0x5e0
#define PORT_RESPONSE	0x5e1
#define MAX_LINE	1024	/* what the host takes, with the newline */
#define CHUNK		256

static const char *const lock_files[] = { "/run/hvctl.lock",
					  "/tmp/hvctl.lock" };

static int take_lock(void)
{
	for (size_t i = 0; i < sizeof(lock_files) / sizeof(*lock_files); i++) {
		int fd = open(lock_files[i], O_RDWR | O_CREAT | O_CLOEXEC,
			      0600);

		if (fd < 0)
			continue;
		while (flock(fd, LOCK_EX)) {
			if (errno != EINTR) {
				perror(lock_files[i]);
				exit(1);
			}
		}
		return fd;
	}
	fprintf(stderr, "hvctl: cannot create %s: %s\n", lock_files[1],
		strerror(errno));
	exit(1);
}

/* KVM exits for each item that goes out: of four bytes, the last with NULs. */
static void send_bytes(const char *from, size_t len)
{
	char items[MAX_LINE] = { 0 };
	const char *next = items;
	size_t nr = (len + 3) / 4;

	memcpy(items, from, len);
	asm volatile("rep outsl"
		     : "+S"(next), "+c"(nr)
		     : "d"(PORT_REQUEST)
		     : "memory");
}

/* What comes in it has in one exit. */
static void receive_bytes(char *to, size_t len)
{
	asm volatile("rep insb"
		     : "+D"(to), "+c"(len)
		     : "d"(PORT_RESPONSE)
		     : "memory");
}

/* The answer, which begins with its sign, up to the NUL; NULL without one. */
static char *receive_text(void)
{
	char chunk[CHUNK + 1] = { 0 };
	char *text;
	size_t len;
	FILE *out;

	receive_bytes(chunk, CHUNK);
	if (*chunk != '+' && *chunk != '-')
		return NULL;
	out = open_memstream(&text, &len);
	if (!out) {
		perror("hvctl");
		exit(1);
	}
	fputs(chunk, out);
	while (strlen(chunk) == CHUNK) {
		receive_bytes(chunk, CHUNK);
		fputs(chunk, out);
	}
	fclose(out);
	return text;
}

int ctl_open(void)
{
	if (!ioperm(PORT_REQUEST, 4, 1))
		return 0;
	perror("hvctl: access to I/O ports");
	return -1;
}

int ctl_ask(char *line, size_t len, char **answer)
{
	int lock = take_lock();
	char *text;
	int ret;

	/* It is the result of a test, maybe, and that must not get lost. */
	if (len > MAX_LINE) {
		fprintf(stderr, "hvctl: line cut at %d bytes\n", MAX_LINE);
		len = MAX_LINE;
		line[len - 1] = '\n';
	}
	send_bytes(line, len);
	text = receive_text();
	close(lock);

	if (!text) {
		fprintf(stderr, "hvctl: no hvsim answers\n");
		return -1;
	}
	ret = *text == '+' ? 0 : 1;
	memmove(text, text + 1, strlen(text));
	*answer = text;
	return ret;
}
