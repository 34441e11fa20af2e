// SPDX-License-Identifier: BSD-2-Clause
/// Addresses that only this host can reach.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

namespace tcpdwell {

inline bool is_loopback(const in_addr& address) { return ntohl(address.s_addr) >> 24 == 127; }

/// Also 127.0.0.1 as an IPv6 socket knows it.
inline bool is_loopback(const in6_addr& address) {
  return IN6_IS_ADDR_LOOPBACK(&address) ||
         (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

}  // namespace tcpdwell
