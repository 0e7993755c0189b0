/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/identity.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/util/cleanup.h"

#define MAP_NAME "ofx_switch"
#define PREFIX "ofx_" /* of programs' names */
#define IDENTITY_WORD 0x3170647866ff0a0dull
#define MOST_BYTES 256 /* of struct identity, in versions to come */
#define MOST_MAPS 256  /* of one program */

int identity_make(const char *name, uint64_t netns)
{
	struct identity identity = {.word = IDENTITY_WORD, .netns = netns, .layout = OFX_LAYOUT};
	const uint32_t zero = 0;
	_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, MAP_NAME, sizeof(zero), sizeof(identity), 1, NULL);

	if (fd < 0)
		return -errno;
	snprintf(identity.name, sizeof(identity.name), "%s", name);
	if (bpf_map_update_elem(fd, &zero, &identity, BPF_ANY))
		return -errno;
	bpf_map_freeze(fd); /* a courtesy: it does without */
	return take_fd(fd);
}

int identity_bind(int prog_fd, int map_fd)
{
	return bpf_prog_bind_map(prog_fd, map_fd, NULL) ? -errno : 0;
}

static bool program_info(int fd, struct bpf_prog_info *info)
{
	uint32_t len = sizeof(*info);

	return !bpf_obj_get_info_by_fd(fd, info, &len);
}

static bool map_info(int fd, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, info, &len);
}

int identity_map(int prog_fd, const char *name)
{
	uint32_t ids[MOST_MAPS];
	struct bpf_prog_info info = {.nr_map_ids = MOST_MAPS, .map_ids = (uintptr_t)ids};
	struct bpf_map_info map;

	if (!program_info(prog_fd, &info))
		return -1;
	/* Backwards: those that were bound are the last. */
	for (uint32_t n = info.nr_map_ids < MOST_MAPS ? info.nr_map_ids : MOST_MAPS; n; n--) {
		_close_ int fd = bpf_map_get_fd_by_id(ids[n - 1]);

		/* The kernel cuts names. */
		if (map_info(fd, &map) && !strncmp(map.name, name, sizeof(map.name) - 1))
			return take_fd(fd);
	}
	return -1;
}

bool identity_of(int prog_fd, struct identity *identity)
{
	_close_ int fd = identity_map(prog_fd, MAP_NAME);
	char value[MOST_BYTES];
	const uint32_t zero = 0;
	struct bpf_map_info map;

	if (!map_info(fd, &map) || map.type != BPF_MAP_TYPE_ARRAY || map.value_size < sizeof(*identity) ||
	    map.value_size > sizeof(value) || bpf_map_lookup_elem(fd, &zero, value))
		return false;
	memcpy(identity, value, sizeof(*identity));
	return identity->word == IDENTITY_WORD && memchr(identity->name, 0, sizeof(identity->name));
}

bool identity_is(const struct identity *identity, const char *name, uint64_t netns)
{
	return !strcmp(identity->name, name) && identity->netns == netns;
}

int identity_walk(identity_fn *fn, void *aux)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		_close_ int fd = bpf_prog_get_fd_by_id(id);
		struct bpf_prog_info info = {0};
		struct identity identity;

		if (fd < 0 && errno != ENOENT) /* it has just gone */
			return -errno;
		if (fd < 0 || !program_info(fd, &info) || strncmp(info.name, PREFIX, strlen(PREFIX)) ||
		    !identity_of(fd, &identity))
			continue;
		if (fn(aux, fd, &info, &identity))
			take_fd(fd);
	}
	return errno == ENOENT ? 0 : -errno;
}
