/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/ctl/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/ofxdp/limits.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

static int is_switch(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int pins_list(const char *root, char ***names)
{
	struct dirent **entries;
	int n = scandir(root, &entries, is_switch, alphasort);

	*names = NULL;
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		log_error("cannot read %s: %s", root, strerror(errno));
		return -1;
	}
	*names = calloc(n + 1, sizeof(**names));
	for (int i = 0; i < n; i++) {
		if (*names)
			(*names)[i] = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return *names ? n : -1;
}

/* NAME/port is a link to the entry program in the folder of the current generation, "v<layout>-<number>/ofx_port". */
static int current_generation(const char *dir, char *generation, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/port", dir);
	n = readlink(path, generation, size - 1);
	if (n <= 0)
		return -1;
	generation[n] = 0;
	generation[strcspn(generation, "/")] = 0;
	return 0;
}

int pins_open(const char *root, const char *name, struct pins *pins)
{
	char dir[PATH_MAX / 4], generation[64];
	unsigned int layout;

	pins->name = name;
	pins->n_cpus = libbpf_num_possible_cpus();
	snprintf(dir, sizeof(dir), "%s/%s", root, name);
	if (strchr(name, '/') || current_generation(dir, generation, sizeof(generation))) {
		log_error("there is no switch %s (no link %s/port): %s", name, dir, strerror(errno));
		return -1;
	}
	if (sscanf(generation, "v%u-", &layout) != 1 || layout != OFX_LAYOUT) {
		log_error("switch %s has maps of another layout (%s, this program reads v%u): use the ofxdpctl of its "
			  "ofxdpd",
			  name, generation, OFX_LAYOUT);
		return -1;
	}
	snprintf(pins->dir, sizeof(pins->dir), "%s/%s", dir, generation);
	return 0;
}

int pins_map(const struct pins *pins, const char *map)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pins->dir, map);
	fd = bpf_obj_get(path);
	if (fd < 0)
		log_error("switch %s: cannot open its map %s: %s", pins->name, path, strerror(errno));
	return fd;
}

int pins_sum(const struct pins *pins, int map, uint32_t index, uint64_t *words, size_t n_words)
{
	_free_ uint64_t *cells = calloc(pins->n_cpus * n_words, sizeof(*cells));

	if (!cells)
		return -1;
	if (bpf_map_lookup_elem(map, &index, cells)) {
		log_error("switch %s: cannot read element %u of a map: %s", pins->name, index, strerror(errno));
		return -1;
	}
	memset(words, 0, n_words * sizeof(*words));
	for (size_t i = 0; i < pins->n_cpus * n_words; i++)
		words[i % n_words] += cells[i];
	return 0;
}

bool pins_mapped(struct mapped *m, int map, size_t value_size, uint32_t *n)
{
	_close_ int fd = map;
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || info.value_size != value_size)
		return false;
	*n = info.max_entries;
	return !mapped_open_fd(m, fd, value_size, *n, false);
}

/* All that there are in the outer map.  False: not all can be read. */
static bool read_cpus(struct pins_cpus *cpus, int fd, size_t value_size, uint32_t max)
{
	cpus->number = calloc(max, sizeof(*cpus->number));
	cpus->at = calloc(max, sizeof(*cpus->at));
	if (!cpus->number || !cpus->at)
		return false;
	for (uint32_t i = 0, id, n; i < max; i++) {
		if (bpf_map_lookup_elem(fd, &i, &id))
			continue;
		if (!pins_mapped(&cpus->at[cpus->n], bpf_map_get_fd_by_id(id), value_size, &n))
			return false;
		cpus->number[cpus->n++] = i;
	}
	return true;
}

int pins_cpus_open(const struct pins *pins, const char *map, size_t value_size, struct pins_cpus *cpus)
{
	_close_ int fd = pins_map(pins, map);
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && read_cpus(cpus, fd, value_size, info.max_entries))
		return 0;
	return pins_unreadable(pins, "counters");
}

void pins_cpus_close(struct pins_cpus *cpus)
{
	for (uint32_t i = 0; i < cpus->n; i++)
		mapped_close(&cpus->at[i]);
	free(cpus->number);
	free(cpus->at);
}

int pins_unreadable(const struct pins *pins, const char *what)
{
	log_error("switch %s: cannot read its %s", pins->name, what);
	return -1;
}
