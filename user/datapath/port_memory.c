/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/ethtool.h"
#include "user/datapath/port_memory.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

/* The order is in pinned memory: append only. */
static const char *const port_features[] = {
	"rx-vlan-hw-parse",  "rx-vlan-stag-hw-parse",  "rx-lro", "rx-gro-hw", "rx-gro",
	"tx-vlan-hw-insert", "tx-vlan-stag-hw-insert",
};
/*
 * A tag beside the frame is invisible to XDP, here or, at the other end of a veth, if it leaves by a queue; merged
 * frames are too long to forward.
 */
#define ALWAYS_OFF 0x6f
#define GENERIC_OFF 0x10 /* generic XDP runs behind GRO, native before it */
#define HIDES_TAGS 0x03
#define MERGES 0x1c

#define MOST_NAMES (4 * OFX_PORTS)
#define FORGET_AT_ONCE 64 /* as all have to be looked at for it */

/* Drops what is not a memory of this layout. */
static int check_fits(int *fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (*fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(*fd, &info, &len))
		return -errno;
	if (info.key_size != IFNAMSIZ || info.value_size != sizeof(struct port_memory))
		close(take_fd(*fd));
	return 0;
}

/* Pinned, else kept by a program; *fd is -1 if there is none. */
static int memory_find(const char *path, uint32_t kept_id, int *fd)
{
	int err;

	*fd = bpf_obj_get(path);
	err = *fd < 0 && errno != ENOENT ? -errno : check_fits(fd);
	if (err || *fd >= 0 || !kept_id)
		return err;
	*fd = bpf_map_get_fd_by_id(kept_id);
	return *fd < 0 && errno != ENOENT ? -errno : check_fits(fd);
}

static int memory_make(void)
{
	int fd =
		bpf_map_create(BPF_MAP_TYPE_HASH, "ofx_memory", IFNAMSIZ, sizeof(struct port_memory), MOST_NAMES, NULL);

	return fd < 0 ? -errno : fd;
}

/* It may be pinned already; what else is there has another layout. */
static int memory_pin(int fd, const char *path)
{
	_close_ int pinned = -1;
	int err;

	if (!bpf_obj_pin(fd, path))
		return 0;
	if (errno != EEXIST)
		return -errno;
	pinned = bpf_obj_get(path);
	err = pinned < 0 ? -errno : check_fits(&pinned);
	if (err || pinned >= 0)
		return err;
	unlink(path);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int memory_open(const char *pin_dir, uint32_t kept_id, bool create)
{
	_close_ int fd = -1;
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/memory", pin_dir);
	err = memory_find(path, kept_id, &fd);
	if (!err && fd < 0 && !create)
		err = -ENOENT;
	if (!err && fd < 0)
		fd = memory_make();
	if (!err && fd < 0)
		err = fd;
	if (!err && create)
		err = memory_pin(fd, path);
	return err ? err : take_fd(fd);
}

static void make_key(char key[IFNAMSIZ], const char *name)
{
	memset(key, 0, IFNAMSIZ);
	memcpy(key, name, strnlen(name, IFNAMSIZ - 1));
}

int memory_look(int memory, const char *name, struct port_memory *m)
{
	char key[IFNAMSIZ];

	make_key(key, name);
	return bpf_map_lookup_elem(memory, key, m) ? -errno : 0;
}

bool memory_get(int memory, const char *name, struct port_memory *m)
{
	return !memory_look(memory, name, m);
}

/* --- all of it --- */

int memory_list(int memory, struct memory_entry **entries, size_t *n)
{
	_free_ char(*names)[IFNAMSIZ] = calloc(MOST_NAMES, sizeof(*names));
	_free_ struct port_memory *ms = calloc(MOST_NAMES, sizeof(*ms));
	_free_ struct memory_entry *list = calloc(MOST_NAMES, sizeof(*list));
	uint32_t count = MOST_NAMES, next;

	*entries = NULL;
	*n = 0;
	if (!names || !ms || !list)
		return -ENOMEM;
	if (bpf_map_lookup_batch(memory, NULL, &next, names, ms, &count, NULL) && errno != ENOENT)
		return -errno;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(list[i].name, names[i], IFNAMSIZ);
		list[i].m = ms[i];
	}
	*entries = take_ptr(list);
	*n = count;
	return 0;
}

void memory_numbers(int memory, const char *name, bool taken[OFX_PORTS])
{
	_free_ struct memory_entry *list = NULL;
	size_t n = 0;

	memset(taken, 0, OFX_PORTS * sizeof(*taken));
	memory_list(memory, &list, &n);
	for (size_t i = 0; i < n; i++)
		if (list[i].m.port_no < OFX_PORTS && strcmp(list[i].name, name))
			taken[list[i].m.port_no] = true;
}

/* Is it no port now?  What was deleted while it was one is still called attached. */
static bool may_forget(const struct memory_entry *e)
{
	return !e->m.attached || !if_nametoindex(e->name);
}

/* The map is full of names, such as containers' that never come back. */
static bool forget_some(int memory)
{
	_free_ struct memory_entry *list = NULL;
	size_t n = 0, forgotten = 0;

	memory_list(memory, &list, &n);
	for (size_t i = 0; i < n && forgotten < FORGET_AT_ONCE; i++)
		if (may_forget(&list[i]) && !bpf_map_delete_elem(memory, list[i].name))
			forgotten++;
	return forgotten;
}

/* --- one --- */

int memory_put(int memory, const char *name, const struct port_memory *m)
{
	char key[IFNAMSIZ];

	make_key(key, name);
	while (bpf_map_update_elem(memory, key, m, BPF_ANY)) {
		int err = -errno;

		if (err != -E2BIG || !forget_some(memory))
			return err;
	}
	return 0;
}

void memory_rename(int memory, const char *from, const char *to)
{
	struct port_memory m;
	char key[IFNAMSIZ];

	make_key(key, from);
	if (!memory_get(memory, from, &m) || memory_put(memory, to, &m))
		return;
	bpf_map_delete_elem(memory, key);
}

int memory_copy(int memory, struct memory_copy *copy)
{
	return memory_list(memory, &copy->entries, &copy->n);
}

void memory_copy_free(struct memory_copy *copy)
{
	free(copy->entries);
	*copy = (struct memory_copy){0};
}

static const struct memory_entry *copied(const struct memory_copy *copy, const char *name)
{
	for (size_t i = 0; i < copy->n; i++)
		if (!strcmp(copy->entries[i].name, name))
			return &copy->entries[i];
	return NULL;
}

static int features_back(struct nl *nl, int sock, const char *name, uint32_t features)
{
	struct link link;
	int err;

	if (!features || link_get(nl, 0, name, &link))
		return 0;
	err = ethtool_set_features(sock, link.ifindex, port_features, ARRAY_LEN(port_features), features, true);
	if (!err || err == -ENODEV)
		return 0;
	log_error("port %s: cannot switch its receive offloads on again: %s", name, strerror(-err));
	return err;
}

int memory_back(int memory, const struct memory_copy *copy, struct nl *nl, int sock)
{
	struct memory_copy now = {0};
	int err = memory_copy(memory, &now);

	for (size_t i = 0; i < now.n; i++) {
		const struct memory_entry *e = &now.entries[i], *was = copied(copy, e->name);

		if (features_back(nl, sock, e->name, e->m.features & ~(was ? was->m.features : 0)))
			err = -EIO;
		if (!was)
			bpf_map_delete_elem(memory, e->name);
	}
	for (size_t i = 0; i < copy->n && !err; i++)
		err = memory_put(memory, copy->entries[i].name, &copy->entries[i].m);
	memory_copy_free(&now);
	return err;
}

/* Drivers keep what they can't do without, and say nothing. */
static void tell_left(int sock, const struct link *link, uint32_t off)
{
	uint32_t left = ethtool_features(sock, link->ifindex, port_features, ARRAY_LEN(port_features)) & off;

	if (left & HIDES_TAGS)
		log_warn("port %s: its driver takes VLAN tags off all frames and can't do otherwise: the switch does "
			 "not "
			 "see them",
			 link->name);
	if (left & MERGES)
		log_warn("port %s: its driver merges TCP segments (LRO, GRO) and can't do otherwise: merged ones are "
			 "too "
			 "long to be forwarded",
			 link->name);
}

int port_prepare(struct nl *nl, int sock, int memory, const struct link *link, uint32_t port_no, bool generic)
{
	uint32_t off = ALWAYS_OFF | (generic ? GENERIC_OFF : 0);
	struct port_memory m = {0};
	uint32_t on;
	int err;

	on = ethtool_features(sock, link->ifindex, port_features, ARRAY_LEN(port_features)) & off;
	memory_get(memory, link->name, &m);
	m.port_no = port_no;
	if (!m.attached)
		m = (struct port_memory){.port_no = port_no, .attached = 1};
	m.port_no = port_no;
	m.features |= on;
	if (!(link->flags & IFF_PROMISC))
		m.changed |= IFF_PROMISC;
	/* Remembered before anything changes: a daemon killed between the two leaves no interface that nobody restores.
	 */
	err = memory_put(memory, link->name, &m);
	if (err)
		return err;
	if (on) {
		ethtool_set_features(sock, link->ifindex, port_features, ARRAY_LEN(port_features), on, false);
		tell_left(sock, link, off);
	}
	if (link->flags & IFF_PROMISC)
		return 0;
	return link_set_flags(nl, link->ifindex, IFF_PROMISC, IFF_PROMISC);
}

int port_set_up(struct nl *nl, int memory, const struct link *link, bool up)
{
	struct port_memory m;

	if (memory_get(memory, link->name, &m) && m.attached && !(m.changed & IFF_UP)) {
		m.changed |= IFF_UP;
		m.flags |= link->flags & IFF_UP;
		memory_put(memory, link->name, &m);
	}
	return link_set_flags(nl, link->ifindex, up ? IFF_UP : 0, IFF_UP);
}

int port_restore(struct nl *nl, int sock, int memory, const struct link *link)
{
	struct port_memory m;
	int err = memory_look(memory, link->name, &m);

	if (err == -ENOENT || (!err && !m.attached))
		return 0;
	if (!err)
		err = link_set_flags(nl, link->ifindex, m.flags, m.changed);
	if (!err)
		err = ethtool_set_features(sock, link->ifindex, port_features, ARRAY_LEN(port_features), m.features,
					   true);
	if (err == -ENODEV)
		err = 0; /* it went meanwhile */
	if (err) {
		log_error("port %s: cannot give the interface its former settings back: %s", link->name,
			  strerror(-err));
		return err;
	}
	m = (struct port_memory){.port_no = m.port_no};
	return memory_put(memory, link->name, &m);
}
