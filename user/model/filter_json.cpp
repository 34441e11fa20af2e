// SPDX-License-Identifier: BSD-2-Clause
// Filter::to_json(): the restrictions as a trace's header keeps them.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/filter.h"
#include "util/escape.h"

namespace tcpdwell {
namespace {

/// An object under construction.
class Object {
 public:
  void number(std::string_view key, std::uint64_t value) {
    begin(key);
    append(value);
  }

  /// Nothing for an empty list, which does not restrict.
  template <class T>
  void list(std::string_view key, const std::vector<T>& values) {
    if (values.empty()) return;
    begin(key);
    char separator = '[';
    for (const T& value : values) {
      text_ += separator;
      separator = ',';
      append(value);
    }
    text_ += ']';
  }

  std::string take() && { return std::move(text_) + '}'; }

 private:
  void begin(std::string_view key) {
    if (text_.size() > 1) text_ += ',';
    append_json_string(text_, key);
    text_ += ':';
  }

  void append(std::uint64_t value) { text_ += fmt::format_int(value).str(); }
  void append(std::string_view value) { append_json_string(text_, value); }
  void append(const Comm& value) { append(value.view()); }
  void append(PortRange value) {
    if (value.first == value.last) return append(std::uint64_t{value.first});
    append(std::string_view(fmt::format("{}-{}", value.first, value.last)));
  }
  void append(const Cidr& value) {
    const std::string address = address_text(value.family, {value.addr, 0});
    append(std::string_view(fmt::format("{}/{}", address, value.prefix_bits)));
  }

  std::string text_ = "{";
};

std::vector<std::string_view> names_of(StateSet states) {
  std::vector<std::string_view> names;
  for (const State state : kLifeOrder) {
    if ((states & bit(state)) != 0) names.push_back(name_of(state));
  }
  return names;
}

}  // namespace

std::string Filter::to_json() const {
  Object object;
  object.list("pid", pids);
  object.list("comm", comms);
  object.list("local-port", local_ports);
  object.list("remote-port", remote_ports);
  object.list("local", local);
  object.list("remote", remote);
  if (family) object.number("family", static_cast<std::uint64_t>(*family));
  object.list("state", names_of(states));
  if (netns) object.number("netns", *netns);
  object.list("cgroup", cgroups);
  if (min_dwell_ns != 0) object.number("min-dwell_ns", min_dwell_ns);
  return std::move(object).take();
}

}  // namespace tcpdwell
