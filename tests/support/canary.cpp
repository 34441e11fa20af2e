// SPDX-License-Identifier: BSD-2-Clause
#include "support/canary.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <utility>

#include "canary.skel.h"

namespace tcpdwell::test {
namespace {

constexpr std::uint32_t kIncomplete = 0xffffffffU;  // as in canary.bpf.c

}  // namespace

struct Canary::Impl {
  canary* skeleton = nullptr;
  ~Impl() { canary__destroy(skeleton); }
};

Canary::Canary() : impl_(std::make_unique<Impl>()) {
  auto* const skeleton = canary__open_and_load();
  if (skeleton == nullptr) return;
  impl_->skeleton = skeleton;
  const std::uint32_t complete = 0;
  if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.tasks), &kIncomplete, &complete, BPF_ANY) !=
          0 ||
      canary__attach(skeleton) != 0) {
    canary__destroy(std::exchange(impl_->skeleton, nullptr));
  }
}

Canary::~Canary() = default;

std::optional<std::unordered_set<std::uint32_t>> Canary::threads() const {
  if (impl_->skeleton == nullptr) return std::nullopt;
  const int map = bpf_map__fd(impl_->skeleton->maps.tasks);
  std::uint32_t incomplete = 1;
  if (bpf_map_lookup_elem(map, &kIncomplete, &incomplete) != 0 || incomplete != 0)
    return std::nullopt;
  std::unordered_set<std::uint32_t> threads;
  std::uint32_t before = 0, id = 0;
  for (bool first = true; bpf_map_get_next_key(map, first ? nullptr : &before, &id) == 0;
       first = false) {
    threads.insert(id);
    before = id;
  }
  return threads;
}

}  // namespace tcpdwell::test
