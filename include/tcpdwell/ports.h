/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel program knows of local ports (bpf/ports.bpf.h): which a network namespace gives
 * to connect(), and which bind() took. The reader looks it up in maps, as it changes seldom.
 */
#ifndef TCPDWELL_PORTS_H
#define TCPDWELL_PORTS_H

#include <tcpdwell/event.h>

/* Namespaces and devices that are known at once; those used last stay. */
#define TD_NETS 4096
#define TD_IFACES 4096

/* Of a network namespace, by its inode number. */
struct td_net {
	__u64 looked_ns;
	__u32 changes;	  /* value of port_changes when this changed last */
	__u16 first_port; /* net.ipv4.ip_local_port_range, both inclusive */
	__u16 last_port;
	__u32 reserved; /* of these in net.ipv4.ip_local_reserved_ports */
	__u32 pad;
};

/* A device as an event names it: its name is the value. */
struct td_iface {
	__u32 netns; /* inode number */
	__u32 ifindex;
};

/*
 * One port that bind() took, among those that connect() would choose from: connect() passes it by,
 * whatever the destination. Written by the walk over the kernel's table of bound ports.
 */
struct td_bound {
	__u32 netns;
	__u32 l3mdev; /* ifindex of the VRF; 0 if none */
	__u16 port;
	__u8 unconnected; /* all sockets that have it are in no state */
	__u8 pad;
};

#define TD_BOUND_AT_ONCE 1024

TD_STATIC_ASSERT(sizeof(struct td_net) == 24, "td_net layout");
TD_STATIC_ASSERT(sizeof(struct td_iface) == 8, "td_iface layout");
TD_STATIC_ASSERT(sizeof(struct td_bound) == 12, "td_bound layout");

#endif /* TCPDWELL_PORTS_H */
