/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads of the kernel's objects that the verifier does not know as such: those behind a timer, or
 * behind an address that was kept. */
#ifndef TCPDWELL_READ_BPF_H
#define TCPDWELL_READ_BPF_H

#include "maps.bpf.h"

/* The object at an address as one of its type. Its fields are then loads, which give 0 where there
 * is no memory, and not calls of bpf_probe_read_kernel(). Linux 6.2 (a35b9af4ec2c "bpf: Add a kfunc
 * for generic type cast"); the reader tries it out (cfg.casts).
 * As newer libbpf declares it (bpf_core_read.h). */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#define TD_TYPE(from) typeof(({ *(from); })) /* a value's: without const */
#define TD_CAST(from)                                                                              \
	((TD_TYPE(from) *)bpf_rdonly_cast((const void *)(from),                                    \
					  bpf_core_type_id_kernel(TD_TYPE(from))))

/* As BPF_CORE_READ(). */
#define READ(from, ...)                                                                            \
	(cfg.casts ? ___arrow(TD_CAST(from), __VA_ARGS__) : BPF_CORE_READ(from, __VA_ARGS__))

#endif
