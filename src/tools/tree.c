// SPDX-License-Identifier: GPL-2.0
/*
 * The only file that opens anything.
 *
 * A captured tree may come from a stranger, so links in it must not lead out
 * of it: openat2() resolves them as if the tree were the root directory.
 *
 * Owns the file descriptor of the root, and the list of problems.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tree.h"

#define MAX_FILE	(64u << 10)
#define MAX_LOG		(4u << 20)
/* A log that is written faster than it is read would have no end. */
#define MAX_LOG_RECORDS	200000
#define SYSFS_TYPE	0x62656572	/* SYSFS_MAGIC */
#define LOG_FILE	"/dev/kmsg"

/* Not in the headers of older distributions; the number is everybody's. */
#ifndef SYS_openat2
#define SYS_openat2		437
#endif
#define IN_ROOT			0x10	/* RESOLVE_IN_ROOT */

struct open_how_v0 {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

struct problem *problems;

static struct problem **last_problem = &problems;
static int root_fd = -1;
static bool live;

static int open_in(const char *path, int flags)
{
	struct open_how_v0 how = { .resolve = IN_ROOT };

	/* openat2() refuses what O_PATH would ignore. */
	how.flags = flags | O_CLOEXEC;
	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK | O_NOCTTY;
	/* No link leads out of the real root, and all kernels can do this. */
	if (live)
		return open(path, how.flags);
	return syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

int tree_open(const char *root)
{
	int fd;

	live = !root || !strcmp(root, "/");
	if (live)
		return 0;
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return errno;
	/* Before 5.6, or forbidden by a container: better now than later. */
	fd = open_in(".", O_PATH);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

bool tree_is_live(void)
{
	return live;
}

void tree_problem(const char *path, const char *error)
{
	struct problem *p = pool_alloc(sizeof(*p));

	p->path = pool_printf("%s", path);
	p->error = error;
	*last_problem = p;
	last_problem = &p->next;
}

/* A device may go at any moment, its files then say ENODEV. */
static bool means_absent(int err)
{
	return err == ENOENT || err == ENODEV || err == ENOTDIR;
}

/* Makes a problem of errno, or *@error where the caller wants that. */
static void failed(const char *path, int err, const char **error)
{
	const char *text = pool_printf("%s", strerror(err));

	if (error)
		*error = text;
	else if (!means_absent(err))
		tree_problem(path, text);
}

static bool stat_in(const char *path, int flags, struct stat *st)
{
	int fd = open_in(path, O_PATH | flags);
	bool ok;

	if (fd < 0)
		return false;
	ok = !fstat(fd, st);
	close(fd);
	return ok;
}

bool tree_exists(const char *path)
{
	struct stat st;

	return stat_in(path, 0, &st);
}

bool tree_is_link(const char *path)
{
	struct stat st;

	return stat_in(path, O_NOFOLLOW, &st) && S_ISLNK(st.st_mode);
}

bool tree_is_dir(const char *path)
{
	struct stat st;

	return stat_in(path, 0, &st) && S_ISDIR(st.st_mode);
}

/*
 * Reads on while @more says so. Regular files only: a pipe would have us wait,
 * and reading a device can do anything.
 */
static char *read_fd(int fd, size_t max, bool *truncated, int *err)
{
	size_t room = 4096, len = 0;
	char *buf = pool_alloc(room + 1);
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st)) {
		*err = errno;
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		*err = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return NULL;
	}
	*truncated = false;
	for (;;) {
		if (len == room) {
			char *larger = pool_alloc(2 * room + 1);

			memcpy(larger, buf, len);
			buf = larger;
			room *= 2;
		}
		n = read(fd, buf + len, room - len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			*err = errno;
			return NULL;
		}
		len += n;
		if (n == 0)
			break;
		if (len > max) {
			len = max;
			*truncated = true;
			break;
		}
	}
	for (size_t i = 0; i < len; i++)
		if (!buf[i])
			buf[i] = '?';
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return buf;
}

char *tree_read_some(const char *path, size_t max, bool *truncated,
		     const char **error)
{
	int fd = open_in(path, O_RDONLY);
	int err = 0;
	char *s;

	if (fd < 0) {
		failed(path, errno, error);
		return NULL;
	}
	s = read_fd(fd, max, truncated, &err);
	close(fd);
	if (!s)
		failed(path, err, error);
	return s;
}

char *tree_read(const char *path)
{
	bool truncated;
	char *s = tree_read_some(path, MAX_FILE, &truncated, NULL);

	if (s && truncated)
		tree_problem(path, "unexpectedly long");
	return s;
}

static struct strings list(const char *path, const char **error)
{
	struct strings names = { 0 };
	struct dirent *e;
	DIR *dir;
	int fd;

	fd = open_in(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		failed(path, errno, error);
		return names;
	}
	dir = fdopendir(fd);
	if (!dir) {
		failed(path, errno, error);
		close(fd);
		return names;
	}
	while (errno = 0, e = readdir(dir))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			strings_add(&names, pool_printf("%s", e->d_name));
	if (errno)
		failed(path, errno, error);
	closedir(dir);
	strings_sort(&names);
	return names;
}

int tree_look(const char *path)
{
	struct dirent *e;
	DIR *dir;
	int fd, err = ENODATA;

	fd = open_in(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = errno;
		close(fd);
		return err;
	}
	while (errno = 0, e = readdir(dir)) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			err = 0;
			break;
		}
	}
	if (errno)
		err = errno;
	/* Names can be listed with "r" alone, but nothing can be looked at. */
	if (!err && faccessat(fd, ".", X_OK, AT_EACCESS))
		err = errno;
	closedir(dir);
	return err;
}

bool tree_has_sysfs(void)
{
	struct statfs fs;

	return !live || (!statfs("/sys", &fs) && fs.f_type == SYSFS_TYPE);
}

struct strings tree_list(const char *path)
{
	return list(path, NULL);
}

struct strings tree_list_quietly(const char *path, const char **error)
{
	*error = NULL;
	return list(path, error);
}

char *tree_link(const char *path)
{
	char target[PATH_MAX];
	const char *last;
	ssize_t len;
	int fd;

	fd = open_in(path, O_PATH | O_NOFOLLOW);
	if (fd < 0) {
		failed(path, errno, NULL);
		return NULL;
	}
	len = readlinkat(fd, "", target, sizeof(target) - 1);
	if (len < 0)
		tree_problem(path, "not a symbolic link");
	close(fd);
	if (len < 0)
		return NULL;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (!*last) {
		tree_problem(path, "points nowhere");
		return NULL;
	}
	return pool_printf("%s", last);
}

struct number tree_number(const char *path)
{
	struct number n = { 0 };
	char *text = tree_read(path);
	bool hex;
	char *end;

	if (!text)
		return n;
	hex = !strncmp(text, "0x", 2);
	errno = 0;
	/* strtoull() takes spaces and signs as well */
	if (isxdigit((unsigned char)text[hex ? 2 : 0])) {
		n.value = strtoull(text, &end, hex ? 16 : 10);
		n.known = !errno && end != text && !*end;
	}
	if (!n.known)
		tree_problem(path, "not a number");
	return n;
}

/*
 * "6,339,5140900,-;text" of a record, or a line of somebody's dmesg. NULL for
 * a record that is not by the kernel: anybody may write there, and about
 * anything.
 */
static const char *log_text(const char *line)
{
	const char *p = line + strspn(line, "0123456789");

	/* The first number is 8 and more for what a program has written. */
	if (p - line > 1 || (p > line && line[0] > '7'))
		return strchr(p, ';') && *p == ',' ? NULL : line;
	if (p == line || *p != ',')
		return line;
	p = strchr(p, ';');
	return p ? p + 1 : line;
}

/* The device gives one record for each read(), and would wait for the next. */
static bool read_log_device(int fd, struct strings *lines)
{
	char record[8193];
	ssize_t n;

	for (unsigned int i = 0; i < MAX_LOG_RECORDS; i++) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;	/* EPIPE: some were overwritten */
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return true;
		record[n] = '\0';
		record[strcspn(record, "\n")] = '\0';
		if (log_text(record))
			strings_add(lines, pool_printf("%s", log_text(record)));
	}
	return true;
}

struct strings tree_kernel_log(const char **error)
{
	int fd = open_in(LOG_FILE, O_RDONLY);
	struct strings lines = { 0 };
	char *text, *line;
	bool truncated;
	struct stat st;
	int err = 0;

	*error = NULL;
	if (fd < 0) {
		failed(LOG_FILE, errno, error);
		return lines;
	}
	if (live && !fstat(fd, &st) && S_ISCHR(st.st_mode)) {
		if (!read_log_device(fd, &lines))
			failed(LOG_FILE, errno, error);
		close(fd);
		return lines;
	}
	text = read_fd(fd, MAX_LOG, &truncated, &err);
	close(fd);
	if (!text) {
		failed(LOG_FILE, err, error);
		return lines;
	}
	while ((line = next_word(&text, "\n")))
		if (line[0] != ' ' && log_text(line))	/* KEY=VALUE */
			strings_add(&lines, pool_printf("%s", log_text(line)));
	return lines;
}
