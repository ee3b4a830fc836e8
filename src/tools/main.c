// SPDX-License-Identifier: GPL-2.0
/* hv-pviommu: how things are with the pvIOMMU of this machine. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../version.h"
#include "status.h"

static const char usage[] =
	"Usage: hv-pviommu [OPTION...]\n"
	"\n"
	"Shows the state of the Hyper-V para-virtual IOMMU and of the devices\n"
	"that should be behind it.\n"
	"\n"
	"  --json      print JSON\n"
	"  --report    print everything, for a bug report\n"
	"  --root DIR  look at a captured tree instead of this machine\n"
	"  --version   print the version of this program\n"
	"  --help      print this\n"
	"\n"
	"Exit code: 0 all translated, no warning; 1 warnings; 2 the pvIOMMU is not\n"
	"in use; 69 it cannot be seen from here; 64 and above: errors. See hv-pviommu(8).\n";

/* Nothing is well that could not be said. */
static int finish(int code)
{
	errno = 0;
	if (fflush(stdout) || ferror(stdout) || fclose(stdout)) {
		fprintf(stderr, "hv-pviommu: cannot write: %s\n",
			errno ? strerror(errno) : "output error");
		return EXIT_NO_OUTPUT;
	}
	return code;
}

static int bad_usage(void)
{
	fputs("Try 'hv-pviommu --help'.\n", stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	enum { JSON = 1, REPORT, ROOT, SAY_VERSION, HELP };
	static const struct option options[] = {
		{ "json", no_argument, NULL, JSON },
		{ "report", no_argument, NULL, REPORT },
		{ "root", required_argument, NULL, ROOT },
		{ "version", no_argument, NULL, SAY_VERSION },
		{ "help", no_argument, NULL, HELP },
		{ 0 }
	};
	static struct status st;
	const char *root = NULL;
	int mode = 0, opt, err;

	/* So that a closed pipe is an error like any other. */
	signal(SIGPIPE, SIG_IGN);

	/* getopt_long() would print what was given as it is. */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case JSON:
		case REPORT:
			if (mode && mode != opt) {
				fputs("hv-pviommu: --json and --report exclude each other\n",
				      stderr);
				return bad_usage();
			}
			mode = opt;
			break;
		case ROOT:
			root = optarg;
			break;
		case SAY_VERSION:
			puts("hv-pviommu " HVP_VERSION);
			return finish(EXIT_GOOD);
		case HELP:
			fputs(usage, stdout);
			return finish(EXIT_GOOD);
		default:
			fputs("hv-pviommu: unknown option, or one without or with too much of a value: '",
			      stderr);
			put_text(stderr, argv[optind - 1], false);
			fputs("'\n", stderr);
			return bad_usage();
		}
	}
	if (optind < argc) {
		fputs("hv-pviommu: unexpected argument '", stderr);
		put_text(stderr, argv[optind], false);
		fputs("'\n", stderr);
		return bad_usage();
	}

	err = tree_open(root);
	if (err) {
		fputs("hv-pviommu: cannot look into '", stderr);
		put_text(stderr, root, false);
		fprintf(stderr, "': %s\n", strerror(err));
		return EXIT_NO_ROOT;
	}

	status_collect(&st);
	if (mode == JSON)
		show_json(&st, root, HVP_VERSION);
	else if (mode == REPORT)
		show_report(&st, root, HVP_VERSION);
	else
		show_text(&st);
	return finish(st.code);
}
