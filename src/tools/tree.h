/* SPDX-License-Identifier: GPL-2.0 */
/* Reads files below a root directory: / or a captured tree. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* Something that is there, but could not be used. */
struct problem {
	struct problem *next;
	char *path;
	const char *error;
};

/* In the order in which they were met. */
extern struct problem *problems;

/* Returns 0 or an errno. All paths are below @root from now on. */
int tree_open(const char *root);

/* Is it the machine we run on? */
bool tree_is_live(void);

void tree_problem(const char *path, const char *error);

bool tree_exists(const char *path);

/*
 * All of these return NULL (tree_list: an empty list) for what does not exist,
 * and for what cannot be read, which makes a problem unless @errors is given
 * (and is set to the error then).
 */

/* A file as a string, without the newlines at its end; one NUL is a '?'. */
char *tree_read(const char *path);
/* At most @max bytes of it, *@truncated says whether there are more. */
char *tree_read_some(const char *path, size_t max, bool *truncated,
		     const char **error);
/* Names in a directory, sorted. */
struct strings tree_list(const char *path);
struct strings tree_list_quietly(const char *path, const char **error);
/* Last part of what a symbolic link points to. */
char *tree_link(const char *path);
bool tree_is_link(const char *path);
bool tree_is_dir(const char *path);
/*
 * Can the names in this directory be seen? 0 or an errno: ENOENT if there is
 * no such directory, ENODATA if it is empty.
 */
int tree_look(const char *path);
/* Is /sys of this machine what the kernel says? Always true for a capture. */
bool tree_has_sysfs(void);

struct number {
	bool known;
	uint64_t value;
};

/* A file with one number, 0x for hexadecimal; else it is a problem. */
struct number tree_number(const char *path);

/* The messages of the kernel, one line each; NULL and *@error if unreadable. */
struct strings tree_kernel_log(const char **error);

#endif
