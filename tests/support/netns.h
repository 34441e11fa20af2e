// SPDX-License-Identifier: BSD-2-Clause
/// A network of the test's own, so that nothing else on the machine is seen or disturbed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/sys.h"

namespace tcpdwell::test {

/// Why kernel tests cannot run here; nullopt if they can.
std::optional<std::string> why_no_kernel_tests();

/// First statement of every kernel test.
#define TD_REQUIRE_KERNEL_TESTS()                                   \
  do {                                                              \
    if (const auto why = ::tcpdwell::test::why_no_kernel_tests()) { \
      GTEST_SKIP() << *why;                                         \
    }                                                               \
  } while (false)

/// A fresh network namespace with lo up (127.0.0.0/8 and ::1). The calling thread is in it, as are
/// the threads and processes it starts from then on, until destruction brings it back.
class Netns {
 public:
  Netns();
  ~Netns();
  Netns(const Netns&) = delete;
  Netns& operator=(const Netns&) = delete;

  std::uint32_t inode() const { return inode_; }
  /// For a thread of its own, or one that knows where it goes next: the calling thread is in it.
  void enter() const;
  /// "net.ipv4.tcp_fin_timeout", only of this namespace.
  void set_sysctl(std::string_view name, std::string_view value);

 private:
  Fd outer_;
  Fd inner_;
  std::uint32_t inode_ = 0;
};

}  // namespace tcpdwell::test
