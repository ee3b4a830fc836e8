// SPDX-License-Identifier: GPL-2.0
/*
 * hvctl: sends control lines to hvsim through its two I/O ports and prints the
 * answers.
 *
 *   hvctl WORD...     one line, made of the arguments
 *   hvctl -           every line of standard input
 *
 * Exit code 0: all done; 1: the host refused, or there is no such host;
 * 2: usage. An exchange is a request and its answer, so a lock file keeps
 * exchanges of several processes apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/io.h>
#include <unistd.h>

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

/* One string instruction each: one exit to the host, not one per byte. */
static void send_bytes(const char *from, size_t len)
{
	asm volatile("rep outsb"
		     : "+S"(from), "+c"(len)
		     : "d"(PORT_REQUEST)
		     : "memory");
}

static void receive_bytes(char *to, size_t len)
{
	asm volatile("rep insb"
		     : "+D"(to), "+c"(len)
		     : "d"(PORT_RESPONSE)
		     : "memory");
}

/* Prints what follows the sign; ends text without a newline with one. */
static int print_answer(void)
{
	char chunk[CHUNK + 1] = { 0 };
	bool first = true, newline = true;
	int ret = 1;
	FILE *out = stdout;

	do {
		const char *text = chunk;

		receive_bytes(chunk, CHUNK);
		if (first && *text != '+' && *text != '-') {
			fprintf(stderr, "hvctl: no hvsim answers\n");
			return 1;
		}
		if (first) {
			ret = *text == '+' ? 0 : 1;
			out = ret ? stderr : stdout;
			text++;
			first = false;
		}
		if (*text) {
			fputs(text, out);
			newline = text[strlen(text) - 1] == '\n';
		}
	} while (strlen(chunk) == CHUNK);
	if (!newline)
		fputc('\n', out);
	fflush(out);
	return ret;
}

/*
 * @line ends with its newline. One that is too long is cut: it is the result
 * of a test then, and that must not get lost.
 */
static int exchange(char *line, size_t len)
{
	int lock = take_lock(), ret;

	if (len > MAX_LINE) {
		fprintf(stderr, "hvctl: line cut at %d bytes\n", MAX_LINE);
		len = MAX_LINE;
		line[len - 1] = '\n';
	}
	send_bytes(line, len);
	ret = print_answer();
	close(lock);
	return ret;
}

static int send_stdin(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int ret = 0;

	while ((len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] != '\n') {
			/* getline() leaves room for the NUL it wrote here */
			line[len++] = '\n';
		}
		if (exchange(line, len))
			ret = 1;
	}
	free(line);
	return ret;
}

static int send_arguments(int argc, char **argv)
{
	char *line;
	size_t len;
	FILE *text = open_memstream(&line, &len);
	int ret;

	if (!text) {
		perror("hvctl");
		return 1;
	}
	for (int i = 1; i < argc; i++)
		fprintf(text, "%s%s", i > 1 ? " " : "", argv[i]);
	fputc('\n', text);
	fclose(text);
	/* Output of commands, quoted in a result, may have several lines. */
	for (size_t i = 0; i < len - 1; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	ret = exchange(line, len);
	free(line);
	return ret;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: hvctl WORD...\n       hvctl -\n");
		return 2;
	}
	if (ioperm(PORT_REQUEST, 2, 1)) {
		perror("hvctl: access to I/O ports");
		return 1;
	}
	if (argc == 2 && !strcmp(argv[1], "-"))
		return send_stdin();
	return send_arguments(argc, argv);
}
