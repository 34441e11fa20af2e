// SPDX-License-Identifier: BSD-2-Clause
// Filter::to_json(): the restrictions as a trace's header keeps them.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/filter.h"
#include "util/json.h"

namespace tcpdwell {
namespace {

void add(JsonText& json, std::uint64_t value) { json.value(value); }
void add(JsonText& json, std::string_view value) { json.value(value); }
void add(JsonText& json, const Comm& value) { json.value(value.view()); }
void add(JsonText& json, PortRange value) {
  if (value.first == value.last) return add(json, std::uint64_t{value.first});
  json.value(fmt::format("{}-{}", value.first, value.last));
}
void add(JsonText& json, const Cidr& value) {
  json.value(fmt::format("{}/{}", address_text(value.family, {value.addr, 0}), value.prefix_bits));
}

/// Nothing for an empty list, which does not restrict.
template <class T>
void add_list(JsonText& json, std::string_view key, const std::vector<T>& values) {
  if (!values.empty()) json.list(key, values, [&](const T& value) { add(json, value); });
}

std::vector<std::string_view> names_of(StateSet states) {
  std::vector<std::string_view> names;
  for (const State state : kLifeOrder) {
    if ((states & bit(state)) != 0) names.push_back(name_of(state));
  }
  return names;
}

}  // namespace

std::string Filter::to_json() const {
  std::string text;
  JsonText json(text);
  json.begin_object();
  add_list(json, "pid", pids);
  add_list(json, "comm", comms);
  add_list(json, "local-port", local_ports);
  add_list(json, "remote-port", remote_ports);
  add_list(json, "local", local);
  add_list(json, "remote", remote);
  if (family) json.field("family", static_cast<int>(*family));
  add_list(json, "state", names_of(states));
  if (netns) json.field("netns", *netns);
  add_list(json, "cgroup", cgroups);
  if (!command.empty()) json.field("command", command);
  if (min_dwell_ns != 0) json.field("min-dwell_ns", min_dwell_ns);
  json.end_object();
  return text;
}

}  // namespace tcpdwell
