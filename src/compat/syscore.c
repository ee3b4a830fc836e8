// SPDX-License-Identifier: GPL-2.0
/* System core operations are registered as a struct syscore (6.19). */
#include <linux/syscore_ops.h>

struct syscore probe;
