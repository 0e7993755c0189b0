/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "build/ofxdp.skel.h"
#include "user/datapath/folder.h"
#include "user/datapath/former.h"
#include "user/datapath/internal.h"
#include "user/datapath/pin.h"
#include "user/datapath/reach.h"
#include "user/util/cleanup.h"
#include "user/util/log.h"

#define BPFFS "/sys/fs/bpf"
#define LOCK_TRIES 10 /* another daemon may remove the folder between our open and our lock */

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned int)fs.f_type == BPF_FS_MAGIC;
}

static int mount_bpffs(struct dp *dp)
{
	if (on_bpffs(BPFFS))
		return 0;
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700")) {
		int err = -errno;

		log_error("cannot mount the BPF file system at %s: %s; run %s`mount -t bpf -o mode=0700 bpf %s`", BPFFS,
			  strerror(-err), err == -ENOENT ? "`mount -t sysfs sysfs /sys`, then " : "", BPFFS);
		return err;
	}
	dp->mounted_bpffs = true;
	return 0;
}

static void warn_if_private(const struct dp *dp)
{
	if (!reach_outside(dp->pin_dir))
		log_warn(
			"the pins in %s vanish with this mount namespace, which alone has their file system, as far as "
			"can be seen: instead of `ip netns exec` use `nsenter --net=/run/netns/NAME`; give a container "
			"the machine's (`-v %s:%s:rslave`)",
			dp->pin_dir, BPFFS, BPFFS);
}

static int make_one(const char *path)
{
	int err = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;

	if (err && err != -ENOENT)
		log_error("cannot make the pin folder %s: %s%s", path, strerror(-err),
			  err == -EROFS ? "; run `mount -o remount,rw " BPFFS "`" : "");
	return err;
}

/* mkdir -p of the switch's folder; a root that is not as it should be gets nothing in it. */
static int make_folder(const char *root, const char *dir)
{
	int err = make_one(root);

	if (!err)
		err = folder_check(root);
	if (!err)
		err = make_one(dir);
	if (!err && !on_bpffs(dir)) {
		log_error("the pin folder %s is not on a BPF file system", dir);
		rmdir(dir);
		err = -EINVAL;
	}
	if (err)
		rmdir(root);
	return err;
}

/* An fd of the folder with the lock, sure to be the folder that has the name now. */
static int lock_folder(const char *dir)
{
	_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat ours, named;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(fd, &ours) || stat(dir, &named) || ours.st_ino != named.st_ino)
		return -ESTALE;
	return take_fd(fd);
}

/* The locked folder's fd.  All errors are logged but -ENOENT and -ESTALE: it has gone meanwhile. */
static int try_take(const struct dp *dp, const char *root, bool create)
{
	int fd, err = create ? make_folder(root, dp->pin_dir) : 0;

	if (!err)
		err = folder_check(dp->pin_dir);
	if (err)
		return err;
	fd = lock_folder(dp->pin_dir);
	if (fd == -EBUSY)
		log_error("a switch named %s is running already: stop it, or choose another name with -n", dp->name);
	else if (fd < 0 && fd != -ENOENT && fd != -ESTALE)
		log_error("cannot lock the pin folder %s: %s", dp->pin_dir, strerror(-fd));
	return fd;
}

int pin_folder_take(struct dp *dp, const char *pin_root, bool create)
{
	const char *root = pin_root ? pin_root : PIN_ROOT;
	int err = 0, fd = -ESTALE;

	if ((size_t)snprintf(dp->pin_dir, sizeof(dp->pin_dir), "%s/%s", root, dp->name) >= sizeof(dp->pin_dir)) {
		log_error("the pin folder's name is too long: %s", root);
		return -ENAMETOOLONG;
	}
	snprintf(dp->entry_pin, sizeof(dp->entry_pin), "%s/port", dp->pin_dir);
	if (create && !pin_root)
		err = mount_bpffs(dp);
	if (!err)
		err = folder_check_root(root);
	if (err && !(create && err == -ENOENT))
		return err;
	for (int i = 0; i < LOCK_TRIES && (fd == -ESTALE || (create && fd == -ENOENT)); i++)
		fd = try_take(dp, root, create);
	if (create && (fd == -ENOENT || fd == -ESTALE))
		log_error("the pin folder %s does not stay: other switches, or somebody else, remove it", dp->pin_dir);
	if (fd < 0)
		return fd;
	dp->lock_fd = fd;
	if (create)
		warn_if_private(dp);
	return 0;
}

static bool folder_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = d;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			empty = false;
	if (d)
		closedir(d);
	return empty;
}

/* rmdir() refuses what is not empty: the root goes with the last switch. */
static void trim(const struct dp *dp)
{
	char root[sizeof(dp->pin_dir)];

	memcpy(root, dp->pin_dir, sizeof(root));
	if (!rmdir(dp->pin_dir))
		rmdir(dirname(root));
}

void pin_folder_leave(struct dp *dp)
{
	if (dp->lock_fd >= 0) {
		trim(dp);
		close(dp->lock_fd);
	}
	dp->lock_fd = -1;
	if (dp->mounted_bpffs && folder_empty(BPFFS))
		umount(BPFFS);
	dp->mounted_bpffs = false;
}

int pin_folder_remove(struct dp *dp)
{
	int err = dp->lock_fd >= 0 ? pins_remove(dp->pin_dir) : 0;

	pin_folder_leave(dp);
	return err;
}

static int netns_map(const struct dp *dp, char *path)
{
	snprintf(path, PATH_MAX, "%s/netns", dp->pin_dir);
	return bpf_obj_get(path);
}

int pin_netns_get(const struct dp *dp, uint64_t *netns)
{
	char path[PATH_MAX];
	_close_ int fd = netns_map(dp, path);
	uint32_t zero = 0;
	int err = fd < 0 ? -errno : 0;

	*netns = 0;
	if (!err && bpf_map_lookup_elem(fd, &zero, netns))
		err = -errno;
	return err == -ENOENT ? 0 : err;
}

int pin_netns_set(const struct dp *dp, uint64_t netns)
{
	char path[PATH_MAX];
	_close_ int fd = netns_map(dp, path);
	uint32_t zero = 0;

	if (fd < 0) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ofx_netns", sizeof(zero), sizeof(netns), 1, NULL);
		if (fd < 0)
			return -errno;
		if (bpf_obj_pin(fd, path))
			return -errno;
	}
	return bpf_map_update_elem(fd, &zero, &netns, BPF_ANY) ? -errno : 0;
}

void pin_memory_drop(const struct dp *dp)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/memory", dp->pin_dir);
	unlink(path);
}

static int pin_maps(struct dp *dp, const char *dir)
{
	struct bpf_map *map;
	char path[PATH_MAX];

	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (bpf_map__is_internal(map))
			continue; /* .rodata: the programs hold it */
		snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map));
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return -errno;
	}
	return 0;
}

static int pin_programs(struct dp *dp, const char *dir)
{
	struct bpf_program *prog;
	char path[PATH_MAX];

	bpf_object__for_each_program(prog, dp->skel->obj)
	{
		snprintf(path, sizeof(path), "%s/%s", dir, bpf_program__name(prog));
		if (bpf_obj_pin(bpf_program__fd(prog), path))
			return -errno;
	}
	return 0;
}

int pin_generation(struct dp *dp, uint32_t number)
{
	char dir[PATH_MAX - 64];
	int err;

	snprintf(dp->generation, sizeof(dp->generation), "v%u-%u", OFX_LAYOUT, number);
	if ((size_t)snprintf(dir, sizeof(dir), "%s/%s", dp->pin_dir, dp->generation) >= sizeof(dir))
		return -ENAMETOOLONG;
	err = mkdir(dir, 0700) ? -errno : 0;
	if (!err)
		err = pin_programs(dp, dir);
	if (!err)
		err = pin_maps(dp, dir);
	if (!err)
		err = trace_pin(&dp->trace, dir);
	if (err)
		log_error("cannot pin programs and maps in %s: %s", dir, strerror(-err));
	return err;
}

int pin_entry(const struct dp *dp)
{
	char next[PATH_MAX], target[64];

	snprintf(next, sizeof(next), "%s/port-next", dp->pin_dir);
	snprintf(target, sizeof(target), "%s/ofx_port", dp->generation);
	unlink(next);
	if (symlink(target, next) || rename(next, dp->entry_pin)) {
		int err = -errno;

		unlink(next);
		log_error("cannot make the link %s: %s", dp->entry_pin, strerror(-err));
		return err;
	}
	return 0;
}
