/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preloaded into the daemon: of the allocations that the program makes and the event loop for it, other libraries' left
 * out, number FAIL_AT fails; the number of all is written to the file FAIL_COUNT when it ends.  Those of threads count,
 * too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct {
	uintptr_t begin, end;
} code[2]; /* of the program, of libevent */
static int n_code;
static unsigned int n, fail_at;

/* The first object is the program. */
static int find_code(struct dl_phdr_info *info, size_t size, void *aux)
{
	if (n_code && !strstr(info->dlpi_name, "/libevent"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && n_code < 2; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		code[n_code].begin = info->dlpi_addr + p->p_vaddr;
		code[n_code].end = code[n_code].begin + p->p_memsz;
		n_code++;
	}
	return 0;
}

__attribute__((constructor)) static void on_start(void)
{
	const char *at = getenv("FAIL_AT");

	fail_at = at ? atoi(at) : 0;
	dl_iterate_phdr(find_code, NULL);
}

__attribute__((destructor)) static void on_end(void)
{
	const char *path = getenv("FAIL_COUNT");
	FILE *f = path ? fopen(path, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "%u\n", n);
	fclose(f);
}

static bool is_ours(uintptr_t caller)
{
	for (int i = 0; i < n_code; i++)
		if (caller >= code[i].begin && caller < code[i].end)
			return true;
	return false;
}

static bool fails(void *caller)
{
	if (!is_ours((uintptr_t)caller) || __atomic_add_fetch(&n, 1, __ATOMIC_RELAXED) != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

#define FAILS() fails(__builtin_return_address(0))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	return FAILS() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return FAILS() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return FAILS() ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || FAILS())
		return NULL;
	return __libc_realloc(p, bytes);
}

char *strdup(const char *s)
{
	char *copy = FAILS() ? NULL : __libc_malloc(strlen(s) + 1);

	return copy ? strcpy(copy, s) : NULL;
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	static void *(*real)(void *at, size_t len, int prot, int flags, int fd, off_t offset);

	if (FAILS())
		return MAP_FAILED;
	if (!real)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "mmap");
	return real(at, len, prot, flags, fd, offset);
}
