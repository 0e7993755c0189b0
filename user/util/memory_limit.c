/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/util/memory_limit.h"
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "user/util/cleanup.h"

#define NO_LIMIT (1ULL << 62) /* as large as cgroups of version 1 have it, and more */

struct limits {
	const char *proc;
	struct memory_limit *at;
	size_t n, max;
};

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _file_ __attribute__((cleanup(close_file)))

static void limit_add(struct limits *l, uint64_t total, uint64_t used, const char *what, const char *path)
{
	struct memory_limit *to = &l->at[l->n];

	if (total >= NO_LIMIT || l->n == l->max)
		return;
	to->total = total;
	to->left = total > used ? total - used : 0;
	snprintf(to->name, sizeof(to->name), "%s%s", what, path);
	l->n++;
}

/* --- files --- */

static FILE *open_in(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) ? fopen(path, "re") : NULL;
}

/* The file's number; `none`: there is no such file, or no number in it ("max"). */
static uint64_t read_number(const char *dir, const char *name, uint64_t none)
{
	FILE *f _file_ = open_in(dir, name);
	uint64_t n;

	return f && fscanf(f, "%" SCNu64, &n) == 1 ? n : none;
}

/* The number behind the word at the beginning of a line; `none`: there is no such line. */
static uint64_t read_word(const char *dir, const char *name, const char *word, uint64_t none)
{
	FILE *f _file_ = open_in(dir, name);
	_free_ char *line = NULL;
	size_t size = 0, len = strlen(word);

	while (f && getline(&line, &size, f) > 0)
		if (!strncmp(line, word, len) && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	return none;
}

/* --- cgroups --- */

/* Where a hierarchy that has the memory controller is mounted, and this process in it. */
struct place {
	char mount[PATH_MAX], root[PATH_MAX]; /* root: the cgroup that is mounted there */
	char path[PATH_MAX];		      /* of ours, from the hierarchy's root */
};

static const struct version {
	const char *fs, *max, *high, *used, *reclaimable;
} versions[] = {
	{"cgroup2", "memory.max", "memory.high", "memory.current", "inactive_file"},
	{"cgroup", "memory.limit_in_bytes", NULL, "memory.usage_in_bytes", "total_inactive_file"},
};

/* "memory" among words with commas between them. */
static bool has_memory(char *list)
{
	for (char *word; (word = strsep(&list, ",\n"));)
		if (!strcmp(word, "memory"))
			return true;
	return false;
}

/* A line of mountinfo: "36 35 98:0 /root /mount options … - type source options". */
static bool parse_mount(char *line, const struct version *v, struct place *p)
{
	char *behind = strstr(line, " - "), type[32], options[512];

	if (!behind || sscanf(line, "%*s %*s %*s %4095s %4095s", p->root, p->mount) != 2 ||
	    sscanf(behind, " - %31s %*s %511s", type, options) != 2 || strcmp(type, v->fs))
		return false;
	return v == &versions[0] || has_memory(options);
}

static bool find_mount(const char *proc, const struct version *v, struct place *p)
{
	FILE *f _file_ = open_in(proc, "self/mountinfo");
	_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		if (parse_mount(line, v, p))
			return true;
	return false;
}

/* A line of /proc/self/cgroup: "4:cpu,memory:/path", and of version 2 "0::/path". */
static bool parse_cgroup(char *line, const struct version *v, struct place *p)
{
	char *number = strsep(&line, ":"), *controllers = strsep(&line, ":");

	if (!controllers || !line)
		return false;
	if (v == &versions[0] ? strcmp(number, "0") || *controllers : !has_memory(controllers))
		return false;
	line[strcspn(line, "\n")] = 0;
	return snprintf(p->path, sizeof(p->path), "%s", line) < (int)sizeof(p->path);
}

static bool find_cgroup(const char *proc, const struct version *v, struct place *p)
{
	FILE *f _file_ = open_in(proc, "self/cgroup");
	_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		if (parse_cgroup(line, v, p))
			return true;
	return false;
}

/* The path from what is mounted on; that itself where ours lies elsewhere (a container sees only a part). */
static const char *path_inside(const struct place *p)
{
	const size_t len = strcmp(p->root, "/") ? strlen(p->root) : 0;

	if (strncmp(p->path, p->root, len) || (p->path[len] && p->path[len] != '/') || !strncmp(p->path, "/..", 3))
		return "";
	return strcmp(p->path + len, "/") ? p->path + len : "";
}

/* memory.high slows down who is over it, until nothing goes on: a limit, too. */
static void level_add(struct limits *l, const struct version *v, const char *dir, const char *path)
{
	const uint64_t max = read_number(dir, v->max, UINT64_MAX);
	const uint64_t high = v->high ? read_number(dir, v->high, UINT64_MAX) : UINT64_MAX;
	const uint64_t total = high < max ? high : max;
	uint64_t used, cached;

	if (total >= NO_LIMIT)
		return;
	used = read_number(dir, v->used, 0);
	cached = read_word(dir, "memory.stat", v->reclaimable, 0);
	limit_add(l, total, used > cached ? used - cached : 0, "the memory cgroup ", *path ? path : "/");
}

/* The highest cgroup of version 2 has no such files, and no limit. */
static void cgroup_limits(struct limits *l, const struct version *v)
{
	char dir[2 * PATH_MAX], *path;
	struct place p;

	if (!find_cgroup(l->proc, v, &p) || !find_mount(l->proc, v, &p))
		return;
	path = dir + snprintf(dir, sizeof(dir), "%s", p.mount);
	snprintf(path, sizeof(dir) - (path - dir), "%s", path_inside(&p));
	if (access(dir, F_OK))
		*path = 0;
	level_add(l, v, dir, path);
	for (char *end; (end = strrchr(path, '/'));) {
		*end = 0;
		level_add(l, v, dir, path);
	}
}

/* --- others --- */

static void address_limits(struct limits *l)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	FILE *f _file_ = open_in(l->proc, "self/statm");
	uint64_t size, data;
	struct rlimit limit;

	if (!f || fscanf(f, "%" SCNu64 " %*s %*s %*s %*s %" SCNu64, &size, &data) != 2)
		return;
	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY)
		limit_add(l, limit.rlim_cur, size * page, "the limit of the address space", "");
	if (!getrlimit(RLIMIT_DATA, &limit) && limit.rlim_cur != RLIM_INFINITY)
		limit_add(l, limit.rlim_cur, data * page, "the limit of the data segment", "");
}

static void machine_limit(struct limits *l)
{
	const uint64_t total = read_word(l->proc, "meminfo", "MemTotal:", 0);
	const uint64_t left = read_word(l->proc, "meminfo", "MemAvailable:", total);

	if (total && total < NO_LIMIT / 1024 && left <= total)
		limit_add(l, total * 1024, (total - left) * 1024, "the machine", "");
}

size_t memory_limits(const char *proc, struct memory_limit *limits, size_t max)
{
	struct limits l = {.proc = proc, .at = limits, .max = max};

	machine_limit(&l);
	address_limits(&l);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		cgroup_limits(&l, &versions[i]);
	return l.n;
}
