/* SPDX-License-Identifier: GPL-2.0-only */
/* Which folders of pins are taken for ours alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/datapath/folder.h"
#include "user/util/log.h"

static char above[32], root[64], link_to_root[64];

static int make(void **state)
{
	snprintf(above, sizeof(above), "/tmp/folderXXXXXX");
	assert_non_null(mkdtemp(above));
	snprintf(root, sizeof(root), "%s/root", above);
	snprintf(link_to_root, sizeof(link_to_root), "%s/link", above);
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(symlink("root", link_to_root), 0);
	log_errors = 0;
	return 0;
}

static int unmake(void **state)
{
	unlink(link_to_root);
	rmdir(root);
	return rmdir(above);
}

static void test_ours(void **state)
{
	assert_int_equal(folder_check(root), 0);
	assert_int_equal(folder_check_root(root), 0);
	assert_int_equal(log_errors, 0);
}

static void test_absent(void **state)
{
	assert_int_equal(folder_check("/nowhere"), -ENOENT);
	assert_int_equal(folder_check_root("/nowhere/root"), -ENOENT);
	assert_int_equal(log_errors, 0);
}

/* Each refusal is one sentence. */
static void refused(const char *path)
{
	log_errors = 0;
	assert_true(folder_check(path) < 0);
	assert_int_equal(log_errors, 1);
}

static void test_links_and_files(void **state)
{
	refused(link_to_root);
	refused("/proc/version");
}

static void test_writable(void **state)
{
	chmod(root, 0770);
	refused(root);
	chmod(root, 0702);
	refused(root);
	chmod(root, 01777);
	refused(root);
	chmod(root, 0755);
	assert_int_equal(folder_check(root), 0);
}

static void test_anothers(void **state)
{
	if (geteuid())
		skip();
	assert_int_equal(chown(root, 12345, 0), 0);
	refused(root);
}

static void test_above(void **state)
{
	chmod(above, 01777); /* sticky: what is in it stays its owner's */
	assert_int_equal(folder_check_root(root), 0);
	chmod(above, 0777);
	assert_int_equal(folder_check_root(root), -EPERM);
	assert_int_equal(log_errors, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ours, make, unmake),
		cmocka_unit_test_setup_teardown(test_absent, make, unmake),
		cmocka_unit_test_setup_teardown(test_links_and_files, make, unmake),
		cmocka_unit_test_setup_teardown(test_writable, make, unmake),
		cmocka_unit_test_setup_teardown(test_anothers, make, unmake),
		cmocka_unit_test_setup_teardown(test_above, make, unmake),
	};

	log_init("test_folder");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
