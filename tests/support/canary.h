// SPDX-License-Identifier: BSD-2-Clause
/// A BPF program that has nothing to do with tcpdwell, at the events that Shadow looks at. It shows
/// under which tasks the host lets programs run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>

namespace tcpdwell::test {

class Canary {
 public:
  /// Where it cannot be loaded there is no answer.
  Canary();
  ~Canary();
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;

  /// Ids of the threads under which it ran since it is there; nullopt where it does not know of
  /// all.
  std::optional<std::unordered_set<std::uint32_t>> threads() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpdwell::test
