/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of memory (user/util/memory_limit.h), read from files that stand for /proc and mounted cgroups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "user/util/memory_limit.h"

#define MB (1ULL << 20)

static char top[64]; /* PROC in texts is this folder's proc, TOP it */
static struct memory_limit limits[MEMORY_LIMITS];
static size_t n;

/* The file and the folders above it; TOP in the text becomes the name of `top`. */
static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	for (char *at = path + strlen(top) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		assert_true(!mkdir(path, 0700) || errno == EEXIST);
		*at = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	for (const char *at = text; *at; at++) {
		if (!strncmp(at, "TOP", 3)) {
			fputs(top, f);
			at += 2;
		} else {
			fputc(*at, f);
		}
	}
	fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int make(void **state)
{
	strcpy(top, "/tmp/ofxdp-limits-XXXXXX");
	assert_non_null(mkdtemp(top));
	put("proc/meminfo", "MemTotal:        1048576 kB\nMemFree:  1000 kB\nMemAvailable:     524288 kB\n");
	put("proc/self/statm", "1000 500 100 10 0 300 0\n");
	return 0;
}

static int clear(void **state)
{
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void look(void)
{
	char proc[128];

	snprintf(proc, sizeof(proc), "%s/proc", top);
	n = memory_limits(proc, limits, MEMORY_LIMITS);
}

/* There is a limit of this name, and what it leaves, in MB. */
static void expect(const char *name, uint64_t total, uint64_t left)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(limits[i].name, name))
			continue;
		assert_int_equal(limits[i].total, total * MB);
		assert_int_equal(limits[i].left, left * MB);
		return;
	}
	fail_msg("no limit is called %s", name);
}

static void test_machine(void **state)
{
	look();
	assert_int_equal(n, 1);
	expect("the machine", 1024, 512);
}

/* Its own and those above count; what could be given back does not. */
static void test_version_2(void **state)
{
	put("proc/self/cgroup", "0::/a.slice/b.service\n");
	put("proc/self/mountinfo", "22 1 0:20 / / rw shared:1 - ext4 /dev/root rw\n"
				   "30 22 0:26 / TOP/cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
	put("cg/a.slice/b.service/memory.max", "max\n");
	put("cg/a.slice/b.service/memory.high", "104857600\n");
	put("cg/a.slice/b.service/memory.current", "73400320\n");
	put("cg/a.slice/b.service/memory.stat", "anon 5\ninactive_file 10485760\nactive_file 7\n");
	put("cg/a.slice/memory.max", "209715200\n");
	put("cg/a.slice/memory.high", "max\n");
	put("cg/a.slice/memory.current", "314572800\n");
	look();
	assert_int_equal(n, 3);
	expect("the memory cgroup /a.slice/b.service", 100, 40);
	expect("the memory cgroup /a.slice", 200, 0);
	put("cg/a.slice/b.service/memory.max", "94371840\n");
	look();
	expect("the memory cgroup /a.slice/b.service", 90, 30);
}

static void test_version_1(void **state)
{
	put("proc/self/cgroup", "9:name=systemd:/\n4:hugetlb,memory:/x\n3:cpuset:/y\n0::/z\n");
	put("proc/self/mountinfo", "31 23 0:28 / TOP/cg rw - tmpfs tmpfs rw\n"
				   "33 31 0:30 / TOP/cpuset rw - cgroup cgroup rw,cpuset\n"
				   "35 31 0:32 / TOP/mem rw,relatime - cgroup cgroup rw,hugetlb,memory\n"
				   "41 31 0:38 / TOP/unified rw - cgroup2 cgroup2 rw\n");
	put("unified/z/cgroup.procs", "");
	put("mem/x/memory.limit_in_bytes", "125829120\n");
	put("mem/x/memory.usage_in_bytes", "41943040\n");
	put("mem/x/memory.stat", "inactive_file 1048576\ntotal_inactive_file 20971520\n");
	put("mem/memory.limit_in_bytes", "9223372036854771712\n");
	put("mem/memory.usage_in_bytes", "983040000\n");
	look();
	assert_int_equal(n, 2);
	expect("the memory cgroup /x", 120, 100);
}

/* A container: only its part of the hierarchy is mounted, and /proc tells another path, or one outside. */
static void test_container(void **state)
{
	put("proc/self/mountinfo", "30 22 0:26 /docker/abc TOP/cg ro - cgroup2 cgroup2 rw\n");
	put("cg/memory.max", "104857600\n");
	put("cg/memory.current", "10485760\n");
	put("cg/inner/memory.max", "52428800\n");
	put("cg/inner/memory.current", "0\n");
	put("proc/self/cgroup", "0::/docker/abc/inner\n");
	look();
	assert_int_equal(n, 3);
	expect("the memory cgroup /inner", 50, 50);
	expect("the memory cgroup /", 100, 90);
	put("proc/self/cgroup", "0::/docker/abc\n");
	look();
	assert_int_equal(n, 2);
	expect("the memory cgroup /", 100, 90);
	put("proc/self/cgroup", "0::/../other\n");
	look();
	assert_int_equal(n, 2);
	put("proc/self/cgroup", "0::/docker/abcd\n");
	look();
	assert_int_equal(n, 2);
	put("proc/self/cgroup", "0::/docker/abc/gone\n");
	look();
	expect("the memory cgroup /", 100, 90);
}

/* Files that can't be read, or hold something else, are no limit. */
static void test_nothing(void **state)
{
	put("proc/self/cgroup", "nonsense\n4:memory\n\n");
	put("proc/self/mountinfo", "one two\n30 22 0:26 / TOP/cg - cgroup2\n");
	put("proc/meminfo", "MemTotal: kB\n");
	put("proc/self/statm", "none\n");
	look();
	assert_int_equal(n, 0);
	clear(state);
	look();
	assert_int_equal(n, 0);
	make(state);
}

/* More levels than there is room for. */
static void test_deep(void **state)
{
	char path[400] = "", file[500];

	for (int i = 0; i < 60; i++) {
		strcat(path, "/x");
		snprintf(file, sizeof(file), "cg%s/memory.max", path);
		put(file, "104857600\n");
	}
	snprintf(file, sizeof(file), "0::%s\n", path);
	put("proc/self/cgroup", file);
	put("proc/self/mountinfo", "30 22 0:26 / TOP/cg rw - cgroup2 cgroup2 rw\n");
	look();
	assert_int_equal(n, MEMORY_LIMITS);
}

#define T(F) cmocka_unit_test_setup_teardown(F, make, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {T(test_machine),   T(test_version_2), T(test_version_1),
					   T(test_container), T(test_nothing),	 T(test_deep)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
