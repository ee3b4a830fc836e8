/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hvsim's control port from a program in the guest: a line to the host, its
 * answer back.
 */
#ifndef CTL_H
#define CTL_H

#include <stddef.h>

/* Returns 0; -1 without access to the ports, said on standard error. */
int ctl_open(void);

/*
 * Sends @line of @len bytes, which ends with its newline, and waits for the
 * turn if somebody else is talking. Returns 0, or 1 if the host refused, with
 * *@answer for the caller to free; or -1 if there is no such host. A line that
 * is too long is cut, and said to be.
 */
int ctl_ask(char *line, size_t len, char **answer);

#endif
