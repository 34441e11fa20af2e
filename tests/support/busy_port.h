// SPDX-License-Identifier: BSD-2-Clause
/// A listening socket on loopback for more connections than one address has ports.
#pragma once

#include <cstdint>

#include "support/netns.h"
#include "support/sys.h"

namespace tcpdwell::test {

class BusyPort {
 public:
  /// On a port of the kernel's choice, of every address of the namespace.
  BusyPort();
  /// Of the caller's nth connection: each ten thousand go to an address of their own.
  Fd connect(std::uint32_t nth) const;
  Fd accept() const;

 private:
  Fd listening_;
  std::uint16_t port_ = 0;
};

/// All ports may be used, and a time-wait socket is kept for each.
void make_room_for_many(Netns& netns);

}  // namespace tcpdwell::test
