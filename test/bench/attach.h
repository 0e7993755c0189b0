/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs and their interfaces, for benchgen: what fails ends the process, with a word why. */
#ifndef BENCH_ATTACH_H
#define BENCH_ATTACH_H

struct bpf_program;

void die(const char *what); /* and errno */
int ifindex_of(const char *name);
/* As native XDP, for as long as the interface is there. */
void attach(const struct bpf_program *prog, int ifindex);

#endif
