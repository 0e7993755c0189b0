/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "include/ofxdp/table.h"
#include "user/datapath/former.h"
#include "user/util/cleanup.h"

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _closedir_ __attribute__((cleanup(close_dir)))

static int former_add(struct former *f, int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	struct former_program *more;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != BPF_PROG_TYPE_XDP)
		return -EINVAL;
	more = realloc(f->programs, (f->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->programs = more;
	f->programs[f->n++] = (struct former_program){info.id, fd};
	return 0;
}

/* Maps and links have other info structs, so the kind is asked by name: programs are pinned as ofx_<name>. */
static void read_programs(const char *dir, struct former *f)
{
	_closedir_ DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd;

		if (strncmp(e->d_name, "ofx_", 4) || snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= PATH_MAX)
			continue;
		fd = bpf_obj_get(path);
		if (fd >= 0 && former_add(f, fd))
			close(fd);
	}
}

static uint64_t count_keys(const char *dir, const char *map)
{
	uint8_t key[sizeof(struct ofx_table_key)];
	char path[PATH_MAX];
	_close_ int fd = -1;
	uint64_t n = 0;

	if (snprintf(path, sizeof(path), "%s/%s", dir, map) >= PATH_MAX)
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_get_next_key(fd, NULL, key))
		return 0;
	do
		n++;
	while (!bpf_map_get_next_key(fd, key, key));
	return n;
}

static uint64_t count_rules(const char *dir)
{
	static const char *const maps[] = {"tbl8", "tbl16", "tbl32", "tbl64", "tbl128", "lpm4", "lpm6"};
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		n += count_keys(dir, maps[i]);
	return n;
}

int former_read(const char *pin_dir, struct former *f)
{
	_closedir_ DIR *d = opendir(pin_dir);
	char path[PATH_MAX];
	struct dirent *e;

	memset(f, 0, sizeof(*f));
	while (d && (e = readdir(d))) {
		unsigned int layout, generation;

		if (sscanf(e->d_name, "v%u-%u", &layout, &generation) != 2 ||
		    snprintf(path, sizeof(path), "%s/%s", pin_dir, e->d_name) >= PATH_MAX)
			continue;
		f->n_generations++;
		read_programs(path, f);
		if (generation <= f->last)
			continue;
		f->last = generation;
		f->rules = count_rules(path);
	}
	return 0;
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
	remove(path);
	return 0;
}

void pins_remove(const char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
