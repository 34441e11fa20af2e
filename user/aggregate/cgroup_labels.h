// SPDX-License-Identifier: BSD-2-Clause
/// What the cgroups of traces are called, by their `name` lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "model/analysis.h"
#include "model/event.h"
#include "model/listing.h"

namespace tcpdwell {

class CgroupLabels : public Consumer {
 public:
  Status header(const Header& header) override {
    host_ = header.host;
    return Ok;
  }
  Status transition(const Transition&) override { return Ok; }
  Status cgroup_name(const NamedCgroup& named) override {
    if (labels_.size() < kMost) labels_[{named.id, host_}] = named.name.label();
    return Ok;
  }
  /// "" where it is not known, and of no host in particular where two call it by two names.
  std::string find(std::uint64_t id) const {
    std::set<std::string> found;
    for (auto at = labels_.lower_bound({id, ""}); at != labels_.end() && at->first.first == id;
         ++at)
      found.insert(at->second);
    return found.size() == 1 ? *found.begin() : "";
  }
  std::string find(std::uint64_t id, const std::string& host) const {
    const auto found = labels_.find({id, host});
    return found == labels_.end() ? "" : found->second;
  }
  void add_to(Analysis& analysis) const {
    for (auto* rows : {&analysis.slowest, &analysis.stuck, &analysis.sample})
      for (ConnectionRow& row : *rows) row.cgroup_name = find(row.socket.cgroup_id, row.host);
  }

 private:
  static constexpr std::size_t kMost = 65536;
  std::string host_;
  std::map<std::pair<std::uint64_t, std::string>, std::string> labels_;
};

}  // namespace tcpdwell
