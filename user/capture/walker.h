// SPDX-License-Identifier: BSD-2-Clause
/// Walks over all that is open, while it goes on (bpf/open.bpf.h). What is done with a socket is
/// the kernel side's to know: `look_for` and what belongs to it are the caller's to set.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "util/result.h"

struct bpf_link;
struct bpf_program;
struct tcpdwell_bpf;

namespace tcpdwell {

/// Takes what is in the ring; gives how many records these were.
using Drain = std::function<Result<std::uint64_t>()>;

/// An iterator over all sockets that the kernel side knows something of, of every network
/// namespace. nullptr and errno where the kernel lets it not; the link is the caller's.
bpf_link* attach_to_storage(const tcpdwell_bpf& skeleton, const bpf_program* program);

class Walker {
 public:
  /// While there are privileges. `skeleton` must outlive it.
  static Result<Walker> make(tcpdwell_bpf& skeleton);

  /// Each socket once, of every network namespace. Where the kernel lets nobody walk over socket
  /// storage, of other namespaces' than the reader's that no process has open those alone which
  /// have come while all was traced. `drain` is called where the ring has no more room, in long
  /// walks now and then, and at the end.
  Status walk(const Drain& drain);

 private:
  struct LinkFree {
    void operator()(bpf_link* link) const;
  };
  explicit Walker(tcpdwell_bpf& skeleton) : skeleton_(&skeleton) {}
  Status over_all(Result<bool> (Walker::*part)(const Drain&), const Drain& drain);
  Result<bool> iterate(int link, const Drain& drain);
  static Result<bool> in_one_run(const bpf_program* program, const Drain& drain);
  Result<bool> sockets(const Drain& drain);
  Result<bool> requests(const Drain& drain);
  Result<bool> slots(const Drain& drain);
  Result<bool> time_waits(const Drain& drain);
  Status look_at_cookies(std::uint32_t count, const Drain& drain);
  Status have_a_turn(const Drain& drain);

  tcpdwell_bpf* skeleton_;
  std::unique_ptr<bpf_link, LinkFree> sockets_, files_, stored_;
  std::uint64_t drained_ns_ = 0;
};

}  // namespace tcpdwell
