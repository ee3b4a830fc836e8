// SPDX-License-Identifier: GPL-2.0
/*
 * The two I/O ports of hvsim. An exchange is a request and its answer, so a
 * lock file keeps exchanges of several processes apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl.h"

#define PORT_REQUEST	0x5e0
#define PORT_RESPONSE	0x5e1
#define MAX_LINE	1024	/* what the host takes, with the newline */
#define CHUNK		256
#define PAGE_SIZE	4096

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

/* The request, in memory that stays where it is. */
static char page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Number of the page frame; 0 if the kernel does not say. */
static uint64_t page_frame(void)
{
	off_t at = (off_t)((uintptr_t)page / PAGE_SIZE * sizeof(uint64_t));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = pread(fd, &entry, sizeof(entry), at);
	close(fd);
	return n == sizeof(entry) ? entry & ((1ULL << 55) - 1) : 0;
}

/*
 * One exit to the host: a string instruction would be one for every item that
 * goes out. What comes in it has in one.
 */
static int send_request(const char *line, size_t len)
{
	uint64_t frame;

	memcpy(page, line, len);
	page[len] = 0;
	frame = page_frame();
	if (!frame) {
		perror("hvctl: /proc/self/pagemap");
		return -1;
	}
	outl((uint32_t)frame, PORT_REQUEST);
	return 0;
}

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
	if (ioperm(PORT_REQUEST, 4, 1)) {
		perror("hvctl: access to I/O ports");
		return -1;
	}
	if (mlock(page, sizeof(page))) {
		perror("hvctl: mlock");
		return -1;
	}
	return 0;
}

int ctl_ask(char *line, size_t len, char **answer)
{
	int lock = take_lock();
	char *text = NULL;
	int ret;

	/* It is the result of a test, maybe, and that must not get lost. */
	if (len > MAX_LINE) {
		fprintf(stderr, "hvctl: line cut at %d bytes\n", MAX_LINE);
		len = MAX_LINE;
		line[len - 1] = '\n';
	}
	if (!send_request(line, len))
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
