// SPDX-License-Identifier: BSD-2-Clause
#include "capture/tally.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <tcpdwell/config.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "tcpdwell_bpf.skel.h"

namespace tcpdwell {
namespace {

/// The shortest and the longest exact dwell of each state; what the kernel side has at rest is
/// emptied and becomes what it writes to.
td_tally_extremes take_extremes(tcpdwell_bpf& skeleton) {
  auto& bss = *skeleton.bss;
  auto& next = reinterpret_cast<td_tally_extremes&>(bss.tally_extremes[(bss.tally_turn + 1) & 1]);
  auto& last = reinterpret_cast<td_tally_extremes&>(bss.tally_extremes[bss.tally_turn & 1]);
  const td_tally_extremes late = next;  // what came when its turn was just over
  next = {};
  __atomic_store_n(&bss.tally_turn, bss.tally_turn + 1, __ATOMIC_SEQ_CST);
  td_tally_extremes extremes = last;
  for (std::size_t state = 0; state < std::size(extremes.longest_ns); ++state) {
    extremes.longest_ns[state] = std::max(extremes.longest_ns[state], late.longest_ns[state]);
    extremes.not_shortest_ns[state] =
        std::max(extremes.not_shortest_ns[state], late.not_shortest_ns[state]);
  }
  return extremes;
}

Error unreadable(int code) {
  return {Fault::Runtime, std::string("cannot read the program's counters: ") + std::strerror(code),
          code};
}

}  // namespace

Result<TallyReader::Before> TallyReader::read(std::uint32_t state) {
  std::vector<td_tally> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_.maps.tallies), &state, values.data()) != 0)
    return unreadable(errno);
  Before sum;
  sum.exact.resize(TD_TALLY_BUCKETS);
  for (const td_tally& cpu : values) {
    sum.total_ns += cpu.total_ns;
    sum.at_least += cpu.at_least;
    sum.unknown += cpu.unknown;
    sum.entered += cpu.entered;
    sum.left += cpu.left;
    for (std::size_t i = 0; i < TD_TALLY_BUCKETS; ++i) sum.exact[i] += cpu.exact[i];
    for (std::size_t i = 0; i < TD_BOUNDS; ++i) sum.within[i] += cpu.within[i];
  }
  return sum;
}

/// What was moved and ended since the last call.
Status TallyReader::read_moves(Tally& tally) {
  std::vector<td_moves> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  const std::uint32_t zero = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_.maps.moves), &zero, values.data()) != 0)
    return unreadable(errno);
  for (const td_moves& cpu : values) {
    for (std::size_t from = 0; from < kStateCount; ++from)
      for (std::size_t to = 0; to < kStateCount; ++to)
        tally.transitions[from][to] += cpu.moved[from << 4 | to];
    for (std::size_t reason = 0; reason < kReasonCount; ++reason)
      for (std::size_t closer = 0; closer < Tally::kClosers; ++closer)
        tally.ends[reason][closer] += cpu.ended[reason << 2 | closer];
  }
  return Ok;
}

Result<Tally> TallyReader::take() {
  Tally tally;
  const td_tally_extremes extremes = take_extremes(skeleton_);
  for (std::uint32_t state = 0; state < TD_TALLIES; ++state) {
    auto read_now = read(state);
    if (!read_now) return read_now.error();
    Before& before = before_[state];
    const Before now = std::move(read_now).value();
    before.exact.resize(TD_TALLY_BUCKETS);
    std::vector<std::uint32_t> counts(TD_TALLY_BUCKETS);
    for (std::size_t i = 0; i < TD_TALLY_BUCKETS; ++i) counts[i] = now.exact[i] - before.exact[i];
    Tally::OfState& of = state < kStateCount ? tally.states[state] : tally.not_accepted;
    of.exact = Histogram::of_counts(counts, now.total_ns - before.total_ns,
                                    ~extremes.not_shortest_ns[state], extremes.longest_ns[state]);
    for (std::size_t i = 0; i < of.within.size(); ++i)
      of.within[i] = now.within[i] - before.within[i];
    of.at_least = now.at_least - before.at_least;
    of.unknown = now.unknown - before.unknown;
    const std::uint64_t left =
        (now.left - before.left) + of.exact.count() + of.at_least + of.unknown;
    of.opened = static_cast<std::int64_t>(now.entered - before.entered - left);
    before = now;
  }
  if (Status status = read_moves(tally); !status) return status.error();
  return tally;
}

}  // namespace tcpdwell
