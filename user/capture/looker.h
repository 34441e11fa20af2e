// SPDX-License-Identifier: BSD-2-Clause
/// Has the kernel side tell of all that is open, while it goes on (bpf/open.bpf.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "util/result.h"

struct bpf_link;
struct tcpdwell_bpf;

namespace tcpdwell {

class Looker {
 public:
  /// While there are privileges. `skeleton` must outlive it.
  static Result<Looker> make(tcpdwell_bpf& skeleton);

  /// `drain` takes what is in the ring, and gives how many records these were.
  Status look(bool changed, const std::function<Result<std::uint64_t>()>& drain);

 private:
  struct LinkFree {
    void operator()(bpf_link* link) const;
  };
  explicit Looker(tcpdwell_bpf& skeleton) : skeleton_(&skeleton) {}
  Result<bool> walk(int link, const std::function<Result<std::uint64_t>()>& drain);
  Result<bool> at_sockets(const std::function<Result<std::uint64_t>()>& drain);
  Result<bool> at_minisockets(const std::function<Result<std::uint64_t>()>& drain);

  tcpdwell_bpf* skeleton_;
  std::unique_ptr<bpf_link, LinkFree> sockets_, files_;
  std::uint64_t looked_ns_ = 0;  ///< when the last look began
};

}  // namespace tcpdwell
