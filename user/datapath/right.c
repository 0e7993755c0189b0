/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/right.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "user/datapath/punt.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

static const struct right {
	int number;
	const char *name;
	bool start_only, admin_too; /* CAP_SYS_ADMIN is as good */
} rights[] = {
	{CAP_BPF, "CAP_BPF", false, true},	     {CAP_NET_ADMIN, "CAP_NET_ADMIN", false, false},
	{CAP_PERFMON, "CAP_PERFMON", true, true},    {CAP_NET_RAW, "CAP_NET_RAW", true, false},
	{CAP_IPC_LOCK, "CAP_IPC_LOCK", true, false},
};
#define RIGHTS ARRAY_LEN(rights)

/* Bit by number. */
static int effective(uint64_t *caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*caps = data[0].effective | (uint64_t)data[1].effective << 32;
	return 0;
}

/* So much memory of AF_XDP sockets may be locked without CAP_IPC_LOCK. */
static bool may_lock(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur >= PUNT_BYTES;
}

static bool has(const struct right *r, uint64_t caps)
{
	return caps >> r->number & 1 || (r->admin_too && caps >> CAP_SYS_ADMIN & 1) ||
	       (r->number == CAP_IPC_LOCK && may_lock());
}

static void tell(const struct right *missing[], size_t n)
{
	char list[128] = "", lock[96] = "";

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s",
			 i == 0	     ? ""
			 : i + 1 < n ? ", "
				     : " and ",
			 missing[i]->name);
		if (missing[i]->number == CAP_IPC_LOCK)
			snprintf(lock, sizeof(lock),
				 "; %d kB of locked memory (`ulimit -l`) are as good as CAP_IPC_LOCK",
				 PUNT_BYTES / 1024);
	}
	log_error("%s %s missing: run as root, or with %s (AmbientCapabilities= of systemd)%s", list,
		  n == 1 ? "is" : "are", n == 1 ? "it" : "them", lock);
}

int rights_check(bool start)
{
	const struct right *missing[RIGHTS];
	uint64_t caps = 0;
	size_t n = 0;
	int err = effective(&caps);

	if (err)
		log_error("cannot find out which capabilities this process has: %s", strerror(-err));
	for (size_t i = 0; i < RIGHTS && !err; i++)
		if ((start || !rights[i].start_only) && !has(&rights[i], caps))
			missing[n++] = &rights[i];
	if (!n)
		return err;
	tell(missing, n);
	return -EPERM;
}
