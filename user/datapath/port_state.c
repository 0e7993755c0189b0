/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "include/ofxdp/limits.h"
#include "user/datapath/port.h"
#include "user/datapath/port_memory.h"
#include "user/datapath/port_state.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define LINE_SIZE 64
#define MOST_LINES (4 * OFX_PORTS) /* as many names as the memory holds */

void state_path(char *path, size_t size, const char *dir, const char *name)
{
	if ((size_t)snprintf(path, size, "%s/%s", dir ? dir : STATE_DIR, name) >= size)
		*path = '\0';
}

static void load_line(int memory, const char *line)
{
	struct port_memory m, now;
	char name[IFNAMSIZ];

	memset(&m, 0, sizeof(m));
	if (sscanf(line, "%u %15s", &m.port_no, name) != 2 || !m.port_no || m.port_no >= OFX_PORTS || strchr(name, '/'))
		return;
	if (!memory_get(memory, name, &now))
		memory_put(memory, name, &m);
}

void state_load(int memory, const char *path)
{
	FILE *f = *path ? fopen(path, "re") : NULL;
	char line[LINE_SIZE];

	if (!f)
		return;
	for (int i = 0; i < MOST_LINES && fgets(line, sizeof(line), f); i++)
		load_line(memory, line);
	fclose(f);
}

static int write_all(int memory, FILE *f)
{
	_free_ struct memory_entry *list = NULL;
	size_t n = 0;
	int err = memory_list(memory, &list, &n);

	if (err)
		return err;
	fputs("# ofxdpd: port numbers of this switch, by interface\n", f);
	for (size_t i = 0; i < n; i++)
		if (list[i].m.port_no)
			fprintf(f, "%u %s\n", list[i].m.port_no, list[i].name);
	return ferror(f) ? -EIO : 0;
}

static void make_folder(const char *path)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	mkdir(dirname(dir), 0755);
}

int state_save(int memory, const char *path)
{
	char next[PATH_MAX];
	FILE *f;
	int err;

	if (!*path || (size_t)snprintf(next, sizeof(next), "%s.new", path) >= sizeof(next))
		return -ENAMETOOLONG;
	make_folder(path);
	unlink(next);
	f = fopen(next, "wxe"); /* follows no link that somebody else may have put there */
	if (!f)
		return -errno;
	err = write_all(memory, f);
	if (fclose(f) && !err)
		err = -errno;
	if (!err && rename(next, path))
		err = -errno;
	if (err)
		unlink(next);
	return err;
}

void state_forget(const char *path)
{
	if (*path)
		unlink(path);
}

void ports_save(struct dp *dp)
{
	struct dp_ports *p = dp->ports;
	int err;

	if (!p->numbered || p->memory < 0)
		return;
	p->numbered = false;
	err = state_save(p->memory, dp->state_path);
	if (err && !p->told_state)
		log_warn("port numbers will not be remembered after SIGTERM: %s: %s (--state-dir names another folder)",
			 dp->state_path, strerror(-err));
	p->told_state |= !!err;
}
