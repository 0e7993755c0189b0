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
#include "user/datapath/folder.h"
#include "user/datapath/identity.h"
#include "user/datapath/netns.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define ENTRY "ofx_port"

static int is_switch(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

struct names {
	char **name;
	int n;
	bool failed; /* out of memory */
};

void pins_names_free(char **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static void add_name(struct names *names, const char *name)
{
	char **more = realloc(names->name, (names->n + 1) * sizeof(*more));

	if (more)
		names->name = more;
	if (more)
		more[names->n] = strdup(name);
	if (!more || !more[names->n])
		names->failed = true;
	else
		names->n++;
}

static int read_folder(const char *root, struct names *names)
{
	struct dirent **entries;
	int n = folder_check_root(root);

	if (n)
		return n == -ENOENT ? 0 : -1;
	n = scandir(root, &entries, is_switch, alphasort);
	if (n < 0)
		log_error("cannot read %s: %s", root, strerror(errno));
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		add_name(names, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* Those whose pins are not here. */
static bool add_unpinned(void *aux, int fd, const struct bpf_prog_info *info, const struct identity *identity)
{
	struct names *names = aux;
	bool known = strcmp(info->name, ENTRY);

	for (int i = 0; i < names->n && !known; i++)
		known = !strcmp(names->name[i], identity->name);
	if (!known)
		add_name(names, identity->name);
	return false;
}

int pins_list(const char *root, char ***out)
{
	struct names names = {0};
	int err = read_folder(root, &names);

	if (!err)
		identity_walk(add_unpinned, &names);
	if (!err && names.failed) {
		log_error("cannot list %s: out of memory", root);
		err = -1;
	}
	*out = names.name;
	if (!err)
		return names.n;
	pins_names_free(names.name, names.n);
	return err;
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

struct search {
	const char *name;
	uint64_t here, netns; /* cookies: of our network namespace; of the one found */
	int entry;
	bool several;
};

static bool look(void *aux, int fd, const struct bpf_prog_info *info, const struct identity *identity)
{
	struct search *s = aux;
	const bool another = s->entry >= 0 && identity->netns != s->netns;

	if (strcmp(info->name, ENTRY) || strcmp(identity->name, s->name))
		return false;
	s->several |= another;
	if (another && identity->netns != s->here)
		return false;
	if (s->entry >= 0)
		close(s->entry);
	s->netns = identity->netns;
	s->entry = fd;
	return true;
}

/* By the programs themselves.  The one of our network namespace, if there are several of that name. */
static int find_entry(const char *name)
{
	struct search s = {.name = name, .here = netns_cookie(), .entry = -1};

	identity_walk(look, &s);
	if (!s.several || s.netns == s.here)
		return s.entry;
	log_error("there are several switches %s without pins here: run ofxdpctl in the network namespace of the one "
		  "that you mean (`nsenter --net=/run/netns/NAME`)",
		  name);
	close(s.entry);
	return -EXDEV;
}

static int check_layout(const char *name, unsigned int layout)
{
	if (layout == OFX_LAYOUT)
		return 0;
	log_error("switch %s has maps of another layout (v%u, this program reads v%u): use the ofxdpctl of its ofxdpd",
		  name, layout, OFX_LAYOUT);
	return -1;
}

static int open_unpinned(const char *dir, struct pins *pins)
{
	struct identity identity;

	pins->gone = true;
	pins->entry = find_entry(pins->name);
	if (pins->entry == -1)
		log_error("there is no switch %s (no link %s/port, and no program of that switch)", pins->name, dir);
	if (pins->entry < 0 || !identity_of(pins->entry, &identity))
		return -1;
	return check_layout(pins->name, identity.layout);
}

/* What has no name here, or no pin folder, may be known by its programs; a folder that others may change is refused. */
static int check_folders(const char *root, const char *dir)
{
	int err = folder_check_root(root);

	if (!err)
		err = folder_check(dir);
	return err == -ENOENT ? 0 : err;
}

int pins_open(const char *root, const char *name, struct pins *pins)
{
	char dir[PATH_MAX / 4], generation[64], path[PATH_MAX];
	unsigned int layout;

	*pins = (struct pins){.name = name, .n_cpus = libbpf_num_possible_cpus(), .entry = -1};
	snprintf(dir, sizeof(dir), "%s/%s", root, name);
	if (strchr(name, '/'))
		log_error("'%s' is no name of a switch", name);
	if (strchr(name, '/') || check_folders(root, dir))
		return -1;
	if (current_generation(dir, generation, sizeof(generation)) || sscanf(generation, "v%u-", &layout) != 1)
		return open_unpinned(dir, pins);
	snprintf(pins->dir, sizeof(pins->dir), "%s/%s", dir, generation);
	snprintf(path, sizeof(path), "%s/" ENTRY, pins->dir);
	pins->entry = bpf_obj_get(path);
	return pins->entry < 0 ? open_unpinned(dir, pins) : check_layout(name, layout);
}

void pins_close(struct pins *pins)
{
	cleanup_close(&pins->entry);
}

int pins_map(const struct pins *pins, const char *map)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pins->dir, map);
	fd = pins->gone ? -1 : bpf_obj_get(path);
	if (fd < 0)
		fd = identity_map(pins->entry, map);
	if (fd < 0)
		log_error("switch %s: cannot open its map %s: %s", pins->name, map, strerror(errno));
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
