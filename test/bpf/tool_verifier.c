/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What loading BPF objects costs the verifier and their size, by program.  The kernel's limit is a million instructions
 * processed; kernels differ, so half of that is ours.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_INSNS 500000

static int print_warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

/* 0, or 1 if it costs too much. */
static int print_program(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len)) {
		fprintf(stderr, "verifier: %s: %s\n", bpf_program__name(prog), strerror(errno));
		return 1;
	}
	printf("  VERIFIER %-20s %7u instructions processed, %5u in the program\n", bpf_program__name(prog),
	       info.verified_insns, info.xlated_prog_len / 8);
	if (info.verified_insns <= MOST_INSNS)
		return 0;
	fprintf(stderr, "verifier: %s: more than %d instructions processed\n", bpf_program__name(prog), MOST_INSNS);
	return 1;
}

static int print_object(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int bad = 0;

	if (!obj) {
		fprintf(stderr, "verifier: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (bpf_object__load(obj)) {
		fprintf(stderr, "verifier: %s does not load: %s\n", path, strerror(errno));
		bad = 1;
	} else {
		bpf_object__for_each_program(prog, obj) bad |= print_program(prog);
	}
	bpf_object__close(obj);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: verifier OBJECT...\n");
		return 2;
	}
	libbpf_set_print(print_warnings);
	for (int i = 1; i < argc; i++)
		bad |= print_object(argv[i]);
	return bad;
}
