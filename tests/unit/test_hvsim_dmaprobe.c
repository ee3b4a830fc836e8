// SPDX-License-Identifier: GPL-2.0
/* The dmaprobe device of hvsim, driven through its registers. */
/* LINK: ../hvsim/dmaprobe.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dmaprobe_regs.h"
#include "fake_pci.h"

#define DATA 0x3000ULL
#define FAULTY 0x6000ULL

static struct pci_func *funcs[8];
static int nr_funcs;

static int create(const char *options, char *err, size_t errlen)
{
	char *text = strdup(options);

	nr_funcs = dmaprobe_create(NULL, NULL, 1, text, funcs, err, errlen);
	free(text);
	return nr_funcs;
}

static int setup(void **state)
{
	char err[200];

	(void)state;
	fake_clear();
	fake_fault[FAULTY / 4096] = IOMMU_FAULT_WRITE_RO;
	return create("functions=2", err, sizeof(err)) == 2 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	while (nr_funcs > 0)
		free(funcs[--nr_funcs]->opaque);
	return 0;
}

static u64 rd(u64 off, unsigned size)
{
	return funcs[0]->ops->bar_read(funcs[0], 0, off, size);
}

static void wr(u64 off, unsigned size, u64 val)
{
	funcs[0]->ops->bar_write(funcs[0], 0, off, size, val);
}

static u32 run(u32 command, u64 iova, u32 off, u32 len)
{
	wr(DMAPROBE_IOVA, 8, iova);
	wr(DMAPROBE_OFFSET, 4, off);
	wr(DMAPROBE_LEN, 4, len);
	wr(DMAPROBE_COMMAND, 4, command);
	return rd(DMAPROBE_STATUS, 4);
}

static void test_options(void **state)
{
	static const char *const bad[] = {
		"functions=0", "functions=9", "functions=", "functions=2x",
		"size=1", "ats=", "ats=1", "atsx",
	};
	char err[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err[0] = 0;
		assert_int_equal(create(bad[i], err, sizeof(err)), -1);
		assert_non_null(strstr(err, "dmaprobe: "));
	}
	assert_int_equal(create("", err, sizeof(err)), 1);
	assert_string_equal(funcs[0]->name, "dmaprobe1");
	teardown(state);
	assert_int_equal(create("functions=8", err, sizeof(err)), 8);
	for (int i = 0; i < 8; i++) {
		snprintf(err, sizeof(err), "dmaprobe1.%d", i);
		assert_string_equal(funcs[i]->name, err);
		assert_int_equal(funcs[i]->fn, i);
		assert_int_equal(funcs[i]->bar_size[0], DMAPROBE_BAR_SIZE);
		assert_int_equal(funcs[i]->ats_cap, 0);
	}
	teardown(state);
	assert_int_equal(create("ats,functions=2", err, sizeof(err)), 2);
	assert_int_equal(funcs[0]->ats_cap, 1);
	assert_int_equal(funcs[1]->ats_cap, 1);
	teardown(state);
	assert_int_equal(create("ats=unaligned", err, sizeof(err)), 1);
	assert_int_equal(funcs[0]->ats_cap, 2);
	teardown(state);
}

static void test_transfers(void **state)
{
	(void)state;
	assert_int_equal(rd(DMAPROBE_ID, 4), DMAPROBE_ID_VALUE);
	for (unsigned i = 0; i < 0x2000; i++)
		fake_ram[DATA + i] = i * 3 + i / 256;
	assert_int_equal(run(DMAPROBE_READ, DATA + 5, 0x100, 0x1800),
			 DMAPROBE_OK);
	for (unsigned i = 0; i < 0x1800; i += 8) {
		u64 got = rd(DMAPROBE_BUFFER + 0x100 + i, 8);

		assert_memory_equal(&got, fake_ram + DATA + 5 + i, 8);
	}
	wr(DMAPROBE_BUFFER + 0x102, 1, 0xab);
	wr(DMAPROBE_BUFFER + 0x104, 4, 0x01020304);
	assert_int_equal(rd(DMAPROBE_BUFFER + 0x102, 2) & 0xff, 0xab);
	assert_int_equal(run(DMAPROBE_WRITE, DATA, 0x102, 6), DMAPROBE_OK);
	assert_int_equal(fake_ram[DATA], 0xab);
	assert_memory_equal(fake_ram + DATA + 2, "\4\3\2\1", 4);
	assert_int_equal(fake_ram[DATA + 6], 6 * 3);

	wr(DMAPROBE_BYTE, 4, 0x5c);
	assert_int_equal(run(DMAPROBE_FILL, 0, 0, DMAPROBE_BUFFER_SIZE),
			 DMAPROBE_OK);
	assert_int_equal(rd(DMAPROBE_BUFFER + DMAPROBE_BUFFER_SIZE - 4, 4),
			 0x5c5c5c5c);
	/* the functions are separate devices */
	assert_int_equal(funcs[1]->ops->bar_read(funcs[1], 0, DMAPROBE_BUFFER,
						 4), 0);
}

static void test_cas(void **state)
{
	u64 *word = (u64 *)(fake_ram + DATA);

	(void)state;
	*word = 7;
	wr(DMAPROBE_CAS_OLD, 8, 7);
	wr(DMAPROBE_CAS_NEW, 8, 0x123456789abcdef0);
	assert_int_equal(run(DMAPROBE_CAS, DATA, 0, 0), DMAPROBE_OK);
	assert_int_equal(*word, 0x123456789abcdef0);
	assert_int_equal(rd(DMAPROBE_CAS_PREV, 8), 7);
	assert_int_equal(run(DMAPROBE_CAS, DATA, 0, 0), DMAPROBE_OK);
	assert_int_equal(rd(DMAPROBE_CAS_PREV, 8), 0x123456789abcdef0);
	assert_int_equal(run(DMAPROBE_CAS, DATA + 4, 0, 0), DMAPROBE_BAD);
}

static void test_faults(void **state)
{
	(void)state;
	assert_int_equal(run(DMAPROBE_WRITE, FAULTY - 16, 0, 32),
			 DMAPROBE_FAULT);
	assert_int_equal(rd(DMAPROBE_REASON, 4), IOMMU_FAULT_WRITE_RO);
	assert_int_equal(rd(DMAPROBE_FAULT_IOVA, 8), FAULTY);
	assert_int_equal(rd(DMAPROBE_NR_FAULTS, 4), 1);
	assert_int_equal(run(DMAPROBE_CAS, ~7ULL, 0, 0), DMAPROBE_FAULT);
	assert_int_equal(rd(DMAPROBE_REASON, 4), IOMMU_FAULT_NOT_PRESENT);
	assert_int_equal(rd(DMAPROBE_FAULT_IOVA, 8), ~7ULL);
	assert_int_equal(rd(DMAPROBE_NR_FAULTS, 4), 2);
	/* a good one clears the report, not the count */
	assert_int_equal(run(DMAPROBE_READ, DATA, 0, 8), DMAPROBE_OK);
	assert_int_equal(rd(DMAPROBE_REASON, 4), 0);
	assert_int_equal(rd(DMAPROBE_FAULT_IOVA, 8), 0);
	assert_int_equal(rd(DMAPROBE_NR_FAULTS, 4), 2);
}

static void test_bad_commands(void **state)
{
	static const struct {
		u32 command, off, len;
	} t[] = {
		{ 0, 0, 8 },
		{ 9, 0, 8 },
		{ DMAPROBE_READ | 0x200, 0, 8 },
		{ DMAPROBE_READ, 0, 0 },
		{ DMAPROBE_READ, 0, DMAPROBE_BUFFER_SIZE + 1 },
		{ DMAPROBE_WRITE, 8, DMAPROBE_BUFFER_SIZE },
		{ DMAPROBE_FILL, 0xfffffff8, 16 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(run(t[i].command, DATA, t[i].off, t[i].len),
				 DMAPROBE_BAD);
	/* results are read-only, writes of odd sizes ignored */
	wr(DMAPROBE_STATUS, 4, DMAPROBE_OK);
	assert_int_equal(rd(DMAPROBE_STATUS, 4), DMAPROBE_BAD);
	wr(DMAPROBE_LEN, 4, 77);
	for (unsigned size = 1; size < 8; size++)
		if (size != 4)
			wr(DMAPROBE_LEN, size, 1);
	assert_int_equal(rd(DMAPROBE_LEN, 4), 77);
}

static void test_delay_and_irq(void **state)
{
	(void)state;
	fake_ram[DATA] = 0x42;
	assert_int_equal(run(DMAPROBE_READ, DATA, 0, 8), DMAPROBE_OK);
	assert_int_equal(fake_raised[0], 0);
	wr(DMAPROBE_CTRL, 4, DMAPROBE_CTRL_IRQ);
	assert_int_equal(run(DMAPROBE_READ, DATA, 0, 8), DMAPROBE_OK);
	assert_int_equal(fake_raised[0], 1);

	fake_ram[DATA] = 0x43;
	assert_int_equal(run(DMAPROBE_READ | DMAPROBE_DELAY, DATA, 0, 8),
			 DMAPROBE_BUSY);
	assert_int_equal(rd(DMAPROBE_BUFFER, 1), 0x42);
	/* locked while busy */
	assert_int_equal(run(DMAPROBE_READ, DATA + 64, 8, 16), DMAPROBE_BUSY);
	fake_run();
	assert_int_equal(rd(DMAPROBE_STATUS, 4), DMAPROBE_OK);
	assert_int_equal(rd(DMAPROBE_BUFFER, 1), 0x43);
	assert_int_equal(fake_raised[0], 2);

	/* a reset cancels it */
	run(DMAPROBE_READ | DMAPROBE_DELAY, DATA, 0, 8);
	funcs[0]->ops->reset(funcs[0]);
	fake_run();
	assert_int_equal(rd(DMAPROBE_STATUS, 4), DMAPROBE_IDLE);
	assert_int_equal(rd(DMAPROBE_BUFFER, 1), 0);
	assert_int_equal(fake_raised[0], 2);
}

static char answer[200];

static int beat(const char *line)
{
	char copy[100], *argv[8], *save, *p;
	FILE *out = fmemopen(answer, sizeof(answer), "w");
	struct pci_func *list[] = { funcs[0], funcs[1], NULL };
	int argc = 0, ret;

	snprintf(copy, sizeof(copy), "beat %s", line);
	for (p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	answer[0] = 0;
	ret = dmaprobe_ctl(list, argc, argv, out);
	fclose(out);
	return ret;
}

static void test_beat(void **state)
{
	static const char *const bad[] = {
		"", "dmaprobe1", "dmaprobe1.2", "dmaprobe1.1 10", "nvme0 off",
		"dmaprobe1.1 0 0x3000", "dmaprobe1.1 1001 0x3000",
		"dmaprobe1.1 x 0x3000", "dmaprobe1.1 10 0x3004",
		"dmaprobe1.1 10 0x3000 1",
	};
	u64 count;

	(void)state;
	fake_timer = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(beat(bad[i]), -1);
	assert_null(fake_timer);
	assert_int_equal(beat("dmaprobe1.1 10 0x3000"), 0);
	assert_non_null(fake_timer);
	assert_int_equal(fake_timer->period_ns, 10000000);
	for (unsigned i = 0; i < 3; i++)
		fake_timer->fn(fake_timer->arg);
	memcpy(&count, fake_ram + DATA, sizeof(count));
	assert_int_equal(count, 3);
	assert_int_equal(beat("dmaprobe1.1"), 0);
	assert_string_equal(answer, "on 3 0 fake fault");
	assert_int_equal(beat("dmaprobe1.0"), 0);
	assert_string_equal(answer, "off 0 0 fake fault");

	/* what is refused is not counted as written */
	fake_fault[DATA / 4096] = IOMMU_FAULT_NOT_PRESENT;
	fake_timer->fn(fake_timer->arg);
	fake_fault[DATA / 4096] = IOMMU_OK;
	fake_timer->fn(fake_timer->arg);
	memcpy(&count, fake_ram + DATA, sizeof(count));
	assert_int_equal(count, 4);
	assert_int_equal(beat("dmaprobe1.1"), 0);
	assert_string_equal(answer, "on 4 1 fake fault");

	/* it ends when told so, and with a reset of that very function */
	assert_int_equal(beat("dmaprobe1.1 off"), 0);
	assert_null(fake_timer);
	assert_int_equal(beat("dmaprobe1.1 10 0x3000"), 0);
	funcs[0]->ops->reset(funcs[0]);
	assert_non_null(fake_timer);
	funcs[1]->ops->reset(funcs[1]);
	assert_null(fake_timer);
	assert_int_equal(beat("dmaprobe1.1"), 0);
	assert_string_equal(answer, "off 0 0 fake fault");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test_setup_teardown(test_transfers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_cas, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_commands, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_delay_and_irq, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_beat, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
