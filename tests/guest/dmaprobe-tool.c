// SPDX-License-Identifier: GPL-2.0
/*
 * dmaprobe: the test device from the shell. See usage() for the commands.
 * Prints a result or "ok"; what failed is told in one line as well: "fault
 * REASON IOVA" when the device's access was refused, "differs ..." when bytes
 * are not as expected. Exit code 0: done and as expected; 1: not; 2: usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "dmaprobe_ioctl.h"
#include "dmaprobe_regs.h"

struct context {
	int fd;
	unsigned int run_flags;
	int argc;
	char **argv;		/* of the command */
};

struct command {
	const char *name;
	const char *operands;
	int min, max;		/* how many operands */
	int (*run)(struct context *c);
};

static const char *const kinds[] = { "pages", "contig", "coherent" };
static const char *const dirs[] = { "to-device", "from-device", "bidir" };
static const char *const reasons[] = {
	[DMAPROBE_BLOCKED] = "blocked",
	[DMAPROBE_NOT_PRESENT] = "not-present",
	[DMAPROBE_WRITE_RO] = "write-ro",
	[DMAPROBE_USER] = "user",
	[DMAPROBE_RESERVED] = "reserved",
	[DMAPROBE_RANGE] = "range",
	[DMAPROBE_OUTPUT] = "output",
	[DMAPROBE_MSI] = "msi",
	[DMAPROBE_NO_DEVICE] = "no-device",
};

#define ARRAY_SIZE(a) ((int)(sizeof(a) / sizeof((a)[0])))

__attribute__((noreturn, format(printf, 2, 3)))
static void quit(int code, const char *fmt, ...)
{
	va_list args;

	fputs("dmaprobe: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(code);
}

static uint64_t number_at(const struct context *c, int i, uint64_t max)
{
	const char *text = c->argv[i];
	char *end;
	uint64_t val;

	errno = 0;
	val = strtoull(text, &end, 0);
	if (errno || *text < '0' || *text > '9' || *end || val > max)
		quit(2, "%s: '%s' is no number in 0..0x%" PRIx64, c->argv[0],
		     text, max);
	return val;
}

static uint32_t id_at(const struct context *c, int i)
{
	return number_at(c, i, UINT32_MAX);
}

static uint64_t optional_at(const struct context *c, int i)
{
	return i < c->argc ? number_at(c, i, UINT64_MAX) : 0;
}

static int word_at(const struct context *c, int i, const char *const *words,
		   int nr)
{
	for (int word = 0; word < nr; word++)
		if (!strcmp(c->argv[i], words[word]))
			return word;
	quit(2, "%s: '%s' is not one of %s, %s, %s", c->argv[0], c->argv[i],
	     words[0], words[1], words[2]);
}

static void ask(const struct context *c, unsigned long request, void *arg)
{
	if (!ioctl(c->fd, request, arg))
		return;
	if (errno == ENOENT)
		quit(1, "%s: no buffer %s", c->argv[0], c->argv[1]);
	quit(1, "%s: %s", c->argv[0], strerror(errno));
}

static int say_ok(void)
{
	puts("ok");
	return 0;
}

/* ---- buffers ---- */

static int cmd_alloc(struct context *c)
{
	struct dmaprobe_alloc arg = {
		.nr_pages = number_at(c, 1, UINT32_MAX),
	};

	if (c->argc > 2)
		arg.kind = word_at(c, 2, kinds, ARRAY_SIZE(kinds));
	ask(c, DMAPROBE_IOC_ALLOC, &arg);
	printf("%" PRIu32 "\n", arg.id);
	return 0;
}

static int cmd_free(struct context *c)
{
	uint32_t id = id_at(c, 1);

	ask(c, DMAPROBE_IOC_FREE, &id);
	return say_ok();
}

static int cmd_leak(struct context *c)
{
	uint32_t id = id_at(c, 1);

	ask(c, DMAPROBE_IOC_LEAK, &id);
	return say_ok();
}

static int cmd_map(struct context *c)
{
	struct dmaprobe_map arg = {
		.id = id_at(c, 1),
		.dir = word_at(c, 2, dirs, ARRAY_SIZE(dirs)),
	};

	ask(c, DMAPROBE_IOC_MAP, &arg);
	printf("0x%" PRIx64 "\n", (uint64_t)arg.iova);
	return 0;
}

static int cmd_unmap(struct context *c)
{
	uint32_t id = id_at(c, 1);

	ask(c, DMAPROBE_IOC_UNMAP, &id);
	return say_ok();
}

static struct dmaprobe_where find_byte(struct context *c)
{
	struct dmaprobe_where arg = {
		.id = id_at(c, 1),
		.offset = optional_at(c, 2),
	};

	ask(c, DMAPROBE_IOC_WHERE, &arg);
	return arg;
}

static int cmd_iova(struct context *c)
{
	struct dmaprobe_where where = find_byte(c);

	if (where.iova == UINT64_MAX)
		quit(1, "%s: buffer %s is not mapped", c->argv[0], c->argv[1]);
	printf("0x%" PRIx64 "\n", (uint64_t)where.iova);
	return 0;
}

static int cmd_phys(struct context *c)
{
	printf("0x%" PRIx64 "\n", (uint64_t)find_byte(c).phys);
	return 0;
}

static struct dmaprobe_range parse_range(struct context *c)
{
	return (struct dmaprobe_range){
		.id = id_at(c, 1),
		.byte = number_at(c, 2, 0xff),
		.offset = optional_at(c, 3),
		.len = optional_at(c, 4),
	};
}

static int cmd_fill(struct context *c)
{
	struct dmaprobe_range arg = parse_range(c);

	ask(c, DMAPROBE_IOC_FILL, &arg);
	return say_ok();
}

static int cmd_check(struct context *c)
{
	struct dmaprobe_range arg = parse_range(c);

	ask(c, DMAPROBE_IOC_CHECK, &arg);
	if (!arg.differs)
		return say_ok();
	printf("differs 0x%02x at 0x%" PRIx64 "\n", arg.byte,
	       (uint64_t)arg.offset);
	return 1;
}

static int cmd_peek(struct context *c)
{
	uint64_t val;
	struct dmaprobe_copy arg = {
		.id = id_at(c, 1),
		.offset = number_at(c, 2, UINT64_MAX),
		.len = sizeof(val),
		.data = (uintptr_t)&val,
	};

	ask(c, DMAPROBE_IOC_PEEK, &arg);
	printf("0x%016" PRIx64 "\n", val);
	return 0;
}

static int cmd_poke(struct context *c)
{
	uint64_t val = number_at(c, 3, UINT64_MAX);
	struct dmaprobe_copy arg = {
		.id = id_at(c, 1),
		.offset = number_at(c, 2, UINT64_MAX),
		.len = sizeof(val),
		.data = (uintptr_t)&val,
	};

	ask(c, DMAPROBE_IOC_POKE, &arg);
	return say_ok();
}

/* ---- the device ---- */

/* 0 when the device did it; else says why not, and returns 1. */
static int run_device(struct context *c, struct dmaprobe_run *run)
{
	const char *reason = NULL;

	run->flags = c->run_flags;
	ask(c, DMAPROBE_IOC_RUN, run);
	if (run->reason < (uint32_t)ARRAY_SIZE(reasons))
		reason = reasons[run->reason];
	switch (run->status) {
	case DMAPROBE_OK:
		return 0;
	case DMAPROBE_FAULT:
		printf("fault %s 0x%" PRIx64 "\n", reason ?: "unknown",
		       (uint64_t)run->fault_iova);
		return 1;
	case DMAPROBE_BAD:
		quit(1, "%s: the device does not take these operands",
		     c->argv[0]);
	default:
		quit(1, "%s: the device ended with status %u", c->argv[0],
		     run->status);
	}
}

static int fill_device(struct context *c, uint64_t byte, uint32_t len)
{
	struct dmaprobe_run run = {
		.op = DMAPROBE_FILL,
		.byte = byte,
		.len = len,
	};

	return run_device(c, &run);
}

static int cmd_read(struct context *c)
{
	struct dmaprobe_run run = {
		.op = DMAPROBE_READ,
		.iova = number_at(c, 1, UINT64_MAX),
		.len = number_at(c, 2, DMAPROBE_BUFFER_SIZE),
	};

	return run_device(c, &run) ?: say_ok();
}

static int cmd_write(struct context *c)
{
	struct dmaprobe_run run = {
		.op = DMAPROBE_WRITE,
		.iova = number_at(c, 1, UINT64_MAX),
		.len = number_at(c, 2, DMAPROBE_BUFFER_SIZE),
	};

	if (c->argc > 3 && fill_device(c, number_at(c, 3, 0xff), run.len))
		return 1;
	return run_device(c, &run) ?: say_ok();
}

static int cmd_cas(struct context *c)
{
	struct dmaprobe_run run = {
		.op = DMAPROBE_CAS,
		.iova = number_at(c, 1, UINT64_MAX),
		.cas_old = number_at(c, 2, UINT64_MAX),
		.cas_new = number_at(c, 3, UINT64_MAX),
	};

	if (run_device(c, &run))
		return 1;
	if (run.cas_prev == run.cas_old)
		return say_ok();
	printf("differs 0x%" PRIx64 " at 0x%" PRIx64 "\n",
	       (uint64_t)run.cas_prev, (uint64_t)run.iova);
	return 1;
}

static int cmd_devfill(struct context *c)
{
	return fill_device(c, number_at(c, 1, 0xff), DMAPROBE_BUFFER_SIZE) ?:
		say_ok();
}

static int cmd_devcheck(struct context *c)
{
	static unsigned char data[DMAPROBE_BUFFER_SIZE];
	struct dmaprobe_copy arg = {
		.len = number_at(c, 1, sizeof(data)),
		.data = (uintptr_t)data,
	};
	unsigned char byte = number_at(c, 2, 0xff);

	ask(c, DMAPROBE_IOC_DEV_PEEK, &arg);
	for (uint64_t i = 0; i < arg.len; i++) {
		if (data[i] == byte)
			continue;
		printf("differs 0x%02x at 0x%" PRIx64 "\n", data[i], i);
		return 1;
	}
	return say_ok();
}

/*
 * Map, have the device write, look, unmap, again and again. Prints how often.
 */
static int cmd_storm(struct context *c)
{
	uint32_t id = id_at(c, 1);
	time_t end = time(NULL) + number_at(c, 2, 3600);
	uint64_t n;

	for (n = 0; time(NULL) < end; n++) {
		struct dmaprobe_map map = { .id = id, .dir = DMAPROBE_BIDIR };
		struct dmaprobe_run run = { .op = DMAPROBE_WRITE, .len = 64 };
		struct dmaprobe_range range = { .id = id, .byte = n % 251,
						.len = run.len };

		ask(c, DMAPROBE_IOC_MAP, &map);
		run.iova = map.iova;
		if (fill_device(c, range.byte, run.len) || run_device(c, &run))
			return 1;
		ask(c, DMAPROBE_IOC_CHECK, &range);
		if (range.differs) {
			printf("differs 0x%02x after %" PRIu64 " times\n",
			       range.byte, n);
			return 1;
		}
		ask(c, DMAPROBE_IOC_UNMAP, &id);
	}
	printf("%" PRIu64 "\n", n);
	return 0;
}

static int cmd_faults(struct context *c)
{
	struct dmaprobe_run run = {
		.op = DMAPROBE_FILL,
		.len = 1,
		.offset = DMAPROBE_BUFFER_SIZE - 1,
	};

	if (run_device(c, &run))
		return 1;
	printf("%" PRIu32 "\n", run.nr_faults);
	return 0;
}

static const struct command commands[] = {
	{ "alloc", "PAGES [pages|contig|coherent]", 1, 2, cmd_alloc },
	{ "free", "ID", 1, 1, cmd_free },
	{ "leak", "ID", 1, 1, cmd_leak },
	{ "map", "ID to-device|from-device|bidir", 2, 2, cmd_map },
	{ "unmap", "ID", 1, 1, cmd_unmap },
	{ "iova", "ID [OFFSET]", 1, 2, cmd_iova },
	{ "phys", "ID [OFFSET]", 1, 2, cmd_phys },
	{ "fill", "ID BYTE [OFFSET [LEN]]", 2, 4, cmd_fill },
	{ "check", "ID BYTE [OFFSET [LEN]]", 2, 4, cmd_check },
	{ "peek", "ID OFFSET", 2, 2, cmd_peek },
	{ "poke", "ID OFFSET VALUE", 3, 3, cmd_poke },
	{ "read", "IOVA LEN", 2, 2, cmd_read },
	{ "write", "IOVA LEN [BYTE]", 2, 3, cmd_write },
	{ "cas", "IOVA OLD NEW", 3, 3, cmd_cas },
	{ "devfill", "BYTE", 1, 1, cmd_devfill },
	{ "devcheck", "LEN BYTE", 2, 2, cmd_devcheck },
	{ "storm", "ID SECONDS", 2, 2, cmd_storm },
	{ "faults", "", 0, 0, cmd_faults },
};

static int usage(void)
{
	fprintf(stderr,
		"usage: dmaprobe [-d] [-i] DEVICE COMMAND [OPERAND...]\n"
		"DEVICE is a PCI name or a path; -d: delayed commands,\n"
		"-i: wait for the interrupt. Commands:\n");
	for (int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(stderr, "  %-9s %s\n", commands[i].name,
			commands[i].operands);
	return 2;
}

static int open_device(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s",
		 strchr(name, '/') ? "" : "/dev/dmaprobe-", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		quit(1, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	struct context c = { 0 };
	int opt;

	while ((opt = getopt(argc, argv, "+di")) != -1) {
		if (opt == 'd')
			c.run_flags |= DMAPROBE_RUN_DELAY;
		else if (opt == 'i')
			c.run_flags |= DMAPROBE_RUN_IRQ;
		else
			return usage();
	}
	if (argc - optind < 2)
		return usage();
	c.argc = argc - optind - 1;
	c.argv = argv + optind + 1;
	for (int i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *cmd = &commands[i];

		if (strcmp(c.argv[0], cmd->name))
			continue;
		if (c.argc - 1 < cmd->min || c.argc - 1 > cmd->max)
			quit(2, "usage: %s %s", cmd->name, cmd->operands);
		c.fd = open_device(argv[optind]);
		return cmd->run(&c);
	}
	quit(2, "unknown command '%s'", c.argv[0]);
}
