/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "include/ofxdp/table_lines.h"
#include "user/datapath/former.h"
#include "user/datapath/identity.h"
#include "user/datapath/mapped.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define ENTRY "ofx_port" /* the program on all ports */

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _closedir_ __attribute__((cleanup(close_dir)))

static int push(struct former *f, uint32_t id, int fd)
{
	struct former_program *more = realloc(f->programs, (f->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	f->programs = more;
	f->programs[f->n++] = (struct former_program){id, fd};
	return 0;
}

static int former_add(struct former *f, int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	return info.type == BPF_PROG_TYPE_XDP ? push(f, info.id, fd) : -EINVAL;
}

static int read_program(const char *path, struct former *f)
{
	_close_ int fd = bpf_obj_get(path);
	int err = fd < 0 ? -errno : former_add(f, fd);

	if (!err)
		take_fd(fd);
	return err == -EINVAL ? 0 : err;
}

/* Maps and links have other info structs, so the kind is asked by name: programs are pinned as ofx_<name>. */
static int read_programs(const char *dir, struct former *f)
{
	_closedir_ DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;
	int err = d ? 0 : -errno;

	while (!err && (e = readdir(d)))
		if (!strncmp(e->d_name, "ofx_", 4) && snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < PATH_MAX)
			err = read_program(path, f);
	return err;
}

static int pinned_map(const char *dir, const char *map)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, map) >= PATH_MAX)
		return -ENAMETOOLONG;
	return bpf_obj_get(path);
}

static uint64_t count_in_line(const struct ofx_rule_line *line)
{
	uint64_t n = 0;

	for (int i = 0; i < OFX_LINE_RULES; i++)
		n += !!line->rule[i];
	return n;
}

/* Of chains of the same match the first: near enough for a message. */
static uint64_t count_rules(int lines_fd, int geometry_fd)
{
	struct ofx_rule_geometry g = {0};
	struct bpf_map_info info = {0};
	uint32_t zero = 0, len = sizeof(info), n_lines;
	struct mapped map = {0};
	uint64_t n = 0;

	if (lines_fd < 0 || geometry_fd < 0 || bpf_map_lookup_elem(geometry_fd, &zero, &g.word) ||
	    bpf_obj_get_info_by_fd(lines_fd, &info, &len) || info.value_size != sizeof(struct ofx_line_chunk))
		return 0;
	n_lines = info.max_entries * OFX_LINE_CHUNK;
	if ((uint64_t)g.base + g.lines > n_lines ||
	    mapped_open_fd(&map, lines_fd, info.value_size, info.max_entries, false))
		return 0;
	for (uint32_t i = 0; i < g.lines; i++) {
		const struct ofx_rule_line *lines = map.at, *line = &lines[g.base + i];

		n += count_in_line(line);
		for (int more = 0; line->more && line->more < n_lines && more < OFX_MORE_LINES; more++) {
			line = &lines[line->more];
			n += count_in_line(line);
		}
	}
	mapped_close(&map);
	return n;
}

static uint64_t count_pinned_rules(const char *dir)
{
	_close_ int lines = pinned_map(dir, "rule_lines"), geometry = pinned_map(dir, "rule_geometry");

	return count_rules(lines, geometry);
}

static uint64_t count_rules_of(int prog_fd)
{
	_close_ int lines = identity_map(prog_fd, "rule_lines"), geometry = identity_map(prog_fd, "rule_geometry");

	return count_rules(lines, geometry);
}

/* --- without pins --- */

static uint32_t memory_of(int prog_fd)
{
	_close_ int fd = identity_map(prog_fd, "ofx_memory");
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

struct search {
	struct former *former;
	const char *name;
	uint64_t netns;
	int err;
};

static bool add_unpinned(void *aux, int fd, const struct bpf_prog_info *info, const struct identity *identity)
{
	struct search *s = aux;
	struct former *f = s->former;

	if (info->type != BPF_PROG_TYPE_XDP || !identity_is(identity, s->name, s->netns))
		return false;
	if (!f->memory_id && !strcmp(info->name, ENTRY))
		f->memory_id = memory_of(fd);
	if (former_fd(f, info->id) >= 0)
		return false;
	if (push(f, info->id, fd)) {
		s->err = -ENOMEM;
		return false;
	}
	if (!strcmp(info->name, ENTRY) && !f->n_generations)
		f->rules = count_rules_of(fd);
	f->n_unpinned++;
	return true;
}

/* --- all --- */

static int read_generations(const char *pin_dir, struct former *f)
{
	_closedir_ DIR *d = opendir(pin_dir);
	char path[PATH_MAX];
	struct dirent *e;
	int err = d || errno == ENOENT ? 0 : -errno;

	while (d && !err && (e = readdir(d))) {
		unsigned int layout, generation;

		if (sscanf(e->d_name, "v%u-%u", &layout, &generation) != 2 ||
		    snprintf(path, sizeof(path), "%s/%s", pin_dir, e->d_name) >= PATH_MAX)
			continue;
		f->n_generations++;
		err = read_programs(path, f);
		if (generation <= f->last)
			continue;
		f->last = generation;
		f->rules = count_pinned_rules(path);
	}
	return err;
}

/* Without CAP_SYS_ADMIN nobody may look. */
static int read_unpinned(const char *name, uint64_t netns, struct former *f)
{
	struct search search = {.former = f, .name = name, .netns = netns};
	int err = identity_walk(add_unpinned, &search);

	f->n_generations += !!f->n_unpinned;
	return err && err != -EPERM ? err : search.err;
}

int former_read(const char *pin_dir, const char *name, uint64_t netns, struct former *f)
{
	int err;

	memset(f, 0, sizeof(*f));
	err = read_generations(pin_dir, f);
	if (!err)
		err = read_unpinned(name, netns, f);
	if (!err)
		return 0;
	log_error("cannot find out what a former daemon left in %s: %s", pin_dir, strerror(-err));
	former_free(f);
	return err;
}

void former_free(struct former *f)
{
	for (size_t i = 0; i < f->n; i++)
		close(f->programs[i].fd);
	free(f->programs);
	memset(f, 0, sizeof(*f));
}

int former_fd(const struct former *f, uint32_t id)
{
	for (size_t i = 0; id && i < f->n; i++)
		if (f->programs[i].id == id)
			return f->programs[i].fd;
	return -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path) && errno != ENOENT ? errno : 0;
}

int pins_remove(const char *dir)
{
	int err = nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	if (err < 0)
		err = errno == ENOENT ? 0 : errno;
	if (err)
		log_error("cannot remove the pins in %s: %s", dir, strerror(err));
	return -err;
}

void former_remove(const char *pin_dir, const char *keep)
{
	_closedir_ DIR *d = opendir(pin_dir);
	char path[PATH_MAX];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		unsigned int layout, generation;

		if (sscanf(e->d_name, "v%u-%u", &layout, &generation) == 2 && (!keep || strcmp(e->d_name, keep)) &&
		    snprintf(path, sizeof(path), "%s/%s", pin_dir, e->d_name) < PATH_MAX)
			pins_remove(path);
	}
}
