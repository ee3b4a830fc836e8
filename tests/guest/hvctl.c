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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

/* Prints the answer; ends text without a newline with one. */
static int exchange(char *line, size_t len)
{
	char *text;
	int ret = ctl_ask(line, len, &text);
	FILE *out = ret ? stderr : stdout;

	if (ret < 0)
		return 1;
	fputs(text, out);
	if (*text && text[strlen(text) - 1] != '\n')
		fputc('\n', out);
	fflush(out);
	free(text);
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
	if (ctl_open())
		return 1;
	if (argc == 2 && !strcmp(argv[1], "-"))
		return send_stdin();
	return send_arguments(argc, argv);
}
