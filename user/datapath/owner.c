/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/owner.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "user/datapath/identity.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define PROGRAM "ofx_owner"
/* Who looks at all programs of the machine holds each for a moment, that of a daemon that has just died, too. */
#define TRIES 5
#define PAUSE_US 20000

struct search {
	const char *name;
	uint64_t netns;
	const struct bpf_prog_info *own; /* NULL: none */
	bool found;
};

static bool before(const struct bpf_prog_info *a, const struct bpf_prog_info *b)
{
	return a->load_time == b->load_time ? a->id < b->id : a->load_time < b->load_time;
}

static bool look(void *aux, int fd, const struct bpf_prog_info *info, const struct identity *identity)
{
	struct search *s = aux;

	if (!strcmp(info->name, PROGRAM) && identity_is(identity, s->name, s->netns) &&
	    (!s->own || before(info, s->own)))
		s->found = true;
	return false;
}

static bool another(const char *name, uint64_t netns, const struct bpf_prog_info *own)
{
	struct search s = {.name = name, .netns = netns, .own = own, .found = true};

	for (int i = 0; i < TRIES && s.found; i++) {
		if (i)
			usleep(PAUSE_US);
		s.found = false;
		identity_walk(look, &s);
	}
	return s.found;
}

bool owner_lives(const char *name, uint64_t netns)
{
	return another(name, netns, NULL);
}

static int make(const char *name, uint64_t netns)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, PROGRAM, "GPL", nothing, ARRAY_LEN(nothing), NULL);
	_close_ int map = fd < 0 ? -errno : identity_make(name, netns);
	int err = map < 0 ? map : identity_bind(fd, map);

	return err ? err : take_fd(fd);
}

int owner_take(const char *name, uint64_t netns, int *out)
{
	_close_ int fd = make(name, netns);
	struct bpf_prog_info own = {0};
	uint32_t len = sizeof(own);
	int err = fd < 0 ? fd : bpf_obj_get_info_by_fd(fd, &own, &len) ? -errno : 0;

	*out = -1;
	if (err) {
		log_warn("the kernel refuses what tells whose a BPF program is: %s: should the pins vanish, the switch "
			 "is not known any more; and a second daemon of this name in another mount namespace is not "
			 "refused",
			 strerror(-err));
		return 0;
	}
	/* Of two that start at the same time the later one gives way. */
	if (another(name, netns, &own)) {
		log_error("a switch named %s is running already in this network namespace, though its pins are not "
			  "here: stop it, or choose another name with -n",
			  name);
		return -EBUSY;
	}
	*out = take_fd(fd);
	return 0;
}
