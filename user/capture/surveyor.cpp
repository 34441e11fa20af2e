// SPDX-License-Identifier: BSD-2-Clause
#include "capture/surveyor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <tcpdwell/config.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "capture/batches.h"
#include "capture/programs.h"
#include "tcpdwell_bpf.skel.h"
#include "util/clock.h"
#include "util/host_clock.h"

namespace tcpdwell {
namespace {

/// More sockets than were asked for are listed before the oldest of them are looked for more
/// closely.
constexpr std::uint32_t kMoreThanAsked = 4096;

td_survey& survey_of(tcpdwell_bpf& skeleton) {
  return reinterpret_cast<td_survey&>(skeleton.bss->survey);
}

/// Ages from `low_ns` on, `width_ns` of them.
struct AgeRange {
  std::uint64_t low_ns = 0, width_ns = 1;
  std::uint64_t count = 0, older = 0;  ///< sockets in it, and above it
};

AgeRange log_range(std::size_t bucket) {
  constexpr std::size_t kSub = std::size_t{1} << TD_AGE_SUB_BITS;
  if (bucket < kSub) return {bucket, 1};
  const std::size_t octave = bucket / kSub - 1;
  return {(kSub + bucket % kSub) << octave, std::uint64_t{1} << octave};
}

/// The one that the `most`-th oldest socket is in; the lowest where there are fewer.
template <class RangeOf>
AgeRange range_of_oldest(const td_survey& survey, std::uint64_t older, std::size_t most,
                         RangeOf range_of) {
  AgeRange range = range_of(0);
  for (std::size_t bucket = TD_AGES; bucket-- > 0;) {
    range = range_of(bucket);
    range.count = survey.ages[bucket];
    range.older = older;
    if (older + range.count >= most) break;
    older += range.count;
  }
  return range;
}

Endpoint endpoint_of(const __u32 (&address)[4], std::uint32_t family, std::uint16_t port = 0) {
  Endpoint endpoint;
  std::memcpy(endpoint.addr.data(), address, family == 6 ? 16 : 4);
  endpoint.port = port;
  return endpoint;
}

Family family_of(std::uint32_t family) { return family == 6 ? Family::V6 : Family::V4; }

}  // namespace

Result<Survey> Surveyor::take(const SurveyWish& wish, const Drain& drain) {
  const std::int64_t spent_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  Status status = count(wish, drain);
  auto survey = status ? read() : Result<Survey>(status.error());
  if (survey && wish.most != 0 && survey->matching != 0) status = list(wish, drain);
  skeleton_.bss->look_for = TD_LOOK_TELL;
  if (!status) return status.error();
  if (!survey) return survey;
  survey->took_ns = host_clock_ns() - survey->mono_ns;
  survey->cost_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - spent_ns);
  return survey;
}

Status Surveyor::count(const SurveyWish& wish, const Drain& drain) {
  LIBBPF_OPTS(bpf_test_run_opts, run);
  const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_.progs.forget_survey), &run);
  if (error != 0)
    return Error{Fault::Runtime,
                 fmt::format("cannot count open connections: {}", std::strerror(-error)), -error};
  td_survey& survey = survey_of(skeleton_);
  survey = {};
  survey.began_ns = host_clock_ns();
  survey.until_ns = survey.began_ns > wish.older_ns ? survey.began_ns - wish.older_ns : 0;
  survey.states = wish.states;
  survey.leak_ns = kLeakAgeNs;
  survey.held_ns = kHeldAgeNs;
  // What enters its state after this moment has an age of 0.
  if (wish.older_ns == 0) survey.until_ns = UINT64_MAX;
  skeleton_.bss->look_for = TD_LOOK_COUNT;
  return walker_.walk(drain);
}

/// Who is to be listed is known by the age above which there are as many as were asked for.
Status Surveyor::list(const SurveyWish& wish, const Drain& drain) {
  td_survey& survey = survey_of(skeleton_);
  AgeRange range = range_of_oldest(survey, 0, wish.most, log_range);
  if (range.older + range.count > wish.most + kMoreThanAsked) {
    survey.from_age_ns = range.low_ns;
    survey.age_width_ns = std::max<std::uint64_t>(range.width_ns / TD_AGES, 1);
    std::fill(std::begin(survey.ages), std::end(survey.ages), 0);
    skeleton_.bss->look_for = TD_LOOK_REFINE;
    if (Status status = walker_.walk(drain); !status) return status;
    range = range_of_oldest(survey, range.older, wish.most, [&](std::size_t bucket) {
      return AgeRange{survey.from_age_ns + bucket * survey.age_width_ns, survey.age_width_ns};
    });
  }
  if (range.low_ns != 0)
    survey.until_ns = std::min<std::uint64_t>(survey.until_ns, survey.began_ns - range.low_ns);
  survey.most = static_cast<std::uint32_t>(wish.most) + kMoreThanAsked;
  survey.listed = 0;
  skeleton_.bss->look_for = TD_LOOK_LIST;
  return walker_.walk(drain);
}

Result<Survey> Surveyor::read() {
  const td_survey& found = survey_of(skeleton_);
  Survey survey;
  survey.mono_ns = found.began_ns;
  survey.matching = found.matching;
  survey.ports_left_out = found.ports_left_out;
  for (std::size_t state = 0; state < kStateCount; ++state) {
    survey.population[state] = found.population[state];
    if (found.oldest_dwell[state] != TD_DWELL_UNKNOWN)
      survey.oldest[state] =
          Dwell{static_cast<Bound>(found.oldest_dwell[state]), found.oldest_ns[state]};
  }
  for (const auto part :
       {&Surveyor::read_owners, &Surveyor::read_ports, &Surveyor::read_held,
        &Surveyor::read_cgroups, &Surveyor::read_listeners, &Surveyor::read_listen_ports})
    if (Status status = (this->*part)(survey); !status) return status.error();
  return survey;
}

/// Calls `each(key, value)` for every entry.
template <class Key, class Value, class Each>
Status for_each_entry(const bpf_map* map, Each each) {
  Batches entries(map);
  for (;;) {
    const auto count = entries.next();
    if (!count) return count.error();
    if (*count == 0) return Ok;
    for (std::size_t i = 0; i < *count; ++i) each(entries.key<Key>(i), entries.value<Value>(i));
  }
}

Status Surveyor::read_owners(Survey& survey) {
  OwnerRow others;
  const td_survey& found = survey_of(skeleton_);
  for (std::size_t state = 0; state < kStateCount; ++state)
    others.sockets[state] = found.of_other_owners[state];
  using Name = std::array<char, TD_COMM_LEN>;
  Status status = for_each_entry<Name, td_survey_owner>(
      skeleton_.maps.survey_owners, [&](const Name& name, const td_survey_owner& owner) {
        OwnerRow& row = survey.owners.emplace_back();
        row.comm = Comm(std::string_view(name.data(), strnlen(name.data(), name.size())));
        for (std::size_t state = 0; state < kStateCount; ++state)
          row.sockets[state] = owner.sockets[state];
        row.unclosed = owner.unclosed;
        row.oldest_unclosed_ns = owner.oldest_unclosed_ns;
      });
  if (others.sockets != decltype(others.sockets){}) survey.owners.push_back(others);
  return status;
}

Status Surveyor::read_ports(Survey& survey) {
  return for_each_entry<td_survey_destination, td_survey_ports>(
      skeleton_.maps.survey_ports,
      [&](const td_survey_destination& to, const td_survey_ports& ports) {
        PortRow& row = survey.ports.emplace_back();
        row.netns = to.netns;
        if (to.ifindex != 0) row.iface = ports_.iface(to.netns, to.ifindex, survey.mono_ns);
        row.family = family_of(to.family);
        row.local = endpoint_of(to.laddr, to.family);
        row.remote = endpoint_of(to.raddr, to.family, to.rport);
        row.live = ports.live;
        row.time_wait = ports.time_wait;
      });
}

Status Surveyor::read_held(Survey& survey) {
  return for_each_entry<td_survey_address, td_survey_peer>(
      skeleton_.maps.survey_peers, [&](const td_survey_address& peer, const td_survey_peer& held) {
        survey.held.push_back({family_of(peer.family), endpoint_of(peer.addr, peer.family),
                               held.held, held.longest_ns});
      });
}

Status Surveyor::read_cgroups(Survey& survey) {
  std::vector<CgroupRow> rows;
  for (std::size_t state = 0; state < kStateCount; ++state)
    survey.of_other_cgroups[state] = survey_of(skeleton_).of_other_cgroups[state];
  Status status = for_each_entry<std::uint64_t, td_survey_cgroup>(
      skeleton_.maps.survey_cgroups, [&](std::uint64_t id, const td_survey_cgroup& group) {
        CgroupRow& row = rows.emplace_back();
        row.id = id;
        for (std::size_t state = 0; state < kStateCount; ++state) {
          row.sockets[state] = group.sockets[state];
          row.oldest_ns[state] = group.oldest_ns[state];
        }
      });
  survey.cgroups = std::make_shared<const std::vector<CgroupRow>>(std::move(rows));
  return status;
}

Status Surveyor::read_listeners(Survey& survey) {
  const bool overflows_known = config_of(skeleton_).overflows != 0;
  return for_each_entry<td_survey_place, td_survey_listener>(
      skeleton_.maps.survey_listeners,
      [&](const td_survey_place& place, const td_survey_listener& listener) {
        survey.listeners.push_back(
            {place.netns, family_of(place.family),
             endpoint_of(place.laddr, place.family, place.lport), listener.waiting, listener.most,
             listener.drops,
             overflows_known ? std::optional(std::uint64_t{listener.overflows}) : std::nullopt});
      });
}

/// Of the ports at which somebody listens alone: at the others bind() put a client, or a server
/// was.
Status Surveyor::read_listen_ports(Survey& survey) {
  return for_each_entry<td_survey_lport, td_survey_at_port>(
      skeleton_.maps.survey_lports, [&](const td_survey_lport& port, const td_survey_at_port& at) {
        if (at.sockets[TD_LISTEN] == 0) return;
        ListenPortRow& row = survey.listen_ports.emplace_back();
        row.netns = port.netns;
        row.port = port.lport;
        std::copy_n(std::begin(at.sockets), kStateCount, row.sockets.begin());
      });
}

}  // namespace tcpdwell
