/* SPDX-License-Identifier: GPL-2.0-only */
#include "user/datapath/mapped.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int mapped_open_fd(struct mapped *m, int fd, uint32_t value_size, uint32_t n, bool writable)
{
	size_t page = sysconf(_SC_PAGESIZE), len = (size_t)n * value_size;
	void *at;

	if (value_size % 8)
		return -EINVAL;
	len = (len + page - 1) / page * page;
	at = mmap(NULL, len, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*m = (struct mapped){at, len};
	return 0;
}

int mapped_open(struct mapped *m, const struct bpf_map *map, bool writable)
{
	return mapped_open_fd(m, bpf_map__fd(map), bpf_map__value_size(map), bpf_map__max_entries(map), writable);
}

void mapped_close(struct mapped *m)
{
	if (m->at)
		munmap(m->at, m->len);
	*m = (struct mapped){0};
}
