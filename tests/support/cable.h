// SPDX-License-Identifier: BSD-2-Clause
/// A cable between two network namespaces on which packets take their time and some are lost: a
/// TUN device at either end, and a thread that carries from one to the other.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "support/netns.h"

namespace tcpdwell::test {

/// Nothing to or from these ports arrives.
inline constexpr std::uint16_t kDeadPort = 901;
/// What is sent from this port is lost, what is sent to it is not.
inline constexpr std::uint16_t kMutePort = 902;

struct CableOptions {
  std::chrono::milliseconds delay{8};  ///< one way
  double loss = 0.01;
  std::uint64_t seed = 1;
};

/// 10.<number>.0.1 and fd00:<number>::1 are the left end, .2 and ::2 the right one.
class Cable {
 public:
  Cable(const Netns& left, const Netns& right, unsigned number, const CableOptions& options);
  ~Cable();
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

 private:
  void carry(CableOptions options);
  Fd left_, right_;
  std::atomic<bool> stop_ = false;
  std::thread carrier_;
};

/// A pair of veth devices, addressed in the same way: no delay, no loss.
void connect_veth(const Netns& left, const Netns& right, unsigned number);

}  // namespace tcpdwell::test
