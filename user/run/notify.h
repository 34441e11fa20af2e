// SPDX-License-Identifier: BSD-2-Clause
/// Tells the service manager how it goes, as sd_notify(3) describes: datagrams to $NOTIFY_SOCKET.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "util/descriptor.h"

namespace tcpdwell {

/// Silent where nobody asked. Made before privileges are given up.
class Notifier {
 public:
  Notifier();

  /// "READY=1", several separated by line feeds. Does not wait.
  void tell(std::string_view what) const;
  /// How often WATCHDOG=1 is due: half of $WATCHDOG_USEC, where that is meant for this process.
  std::optional<std::uint64_t> watchdog_ns() const { return watchdog_ns_; }

 private:
  Descriptor fd_;
  std::optional<std::uint64_t> watchdog_ns_;
};

}  // namespace tcpdwell
