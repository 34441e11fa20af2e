// SPDX-License-Identifier: BSD-2-Clause
/// Has the kernel side tell what waits for somebody (bpf/stuck.bpf.h), and who has it open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "capture/decode.h"
#include "model/listing.h"

struct bpf_link;
struct tcpdwell_bpf;

namespace tcpdwell {

class PortWatch;

class StuckLook {
 public:
  /// As much is told at most.
  static constexpr std::size_t kMost = 65'536;

  /// The skeleton must outlive it. Where this kernel does not let it look, an Error.
  static Result<StuckLook> make(tcpdwell_bpf& skeleton);
  /// With the names of devices that `ports` knows, and without cgroups'; wall times are the
  /// caller's to set.
  Result<std::vector<Listed>> look(PortWatch& ports) const;

 private:
  struct LinkFree {
    void operator()(bpf_link* link) const;
  };
  using Link = std::unique_ptr<bpf_link, LinkFree>;

  explicit StuckLook(tcpdwell_bpf& skeleton) : skeleton_(&skeleton) {}
  Result<std::vector<Listed>> sockets(PortWatch& ports) const;
  Result<HolderTable> holders() const;

  tcpdwell_bpf* skeleton_;
  /// Which together show them all; more than one may show a socket.
  std::vector<Link> sockets_;
  Link slots_;
  Link holders_;
};

}  // namespace tcpdwell
