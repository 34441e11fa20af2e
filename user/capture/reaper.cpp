// SPDX-License-Identifier: BSD-2-Clause
#include "capture/reaper.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <tcpdwell/config.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

constexpr std::chrono::seconds kRest{5};

}  // namespace

void Reaper::look_at(std::size_t count) {
  auto& named = skeleton_->bss->named_cookies;
  for (std::size_t at = 0; at < count;) {
    const std::size_t some = std::min(std::size(named), count - at);
    for (std::size_t i = 0; i < some; ++i) named[i] = walk_->key<__u64>(at + i);
    skeleton_->bss->named_cookies_n = static_cast<std::uint32_t>(some);
    LIBBPF_OPTS(bpf_test_run_opts, run);
    bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.reap), &run);
    at += some;
  }
}

/// A table that cannot be read is tried again after the rest.
void Reaper::step(std::chrono::steady_clock::time_point now) {
  if (now < next_) return;
  if (!walk_) walk_.emplace(skeleton_->maps.minis);
  const auto count = walk_->next();
  if (count && *count != 0) return look_at(*count);
  walk_.reset();
  next_ = now + kRest;
}

}  // namespace tcpdwell
