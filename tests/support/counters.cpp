// SPDX-License-Identifier: BSD-2-Clause
#include "support/counters.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tcpdwell::test {
namespace {

using Counters = std::map<std::string, std::uint64_t>;

/// Lines come in pairs, names and values, each after "Tcp:".
void add_pairs(Counters& counters, const std::string& path, const std::string& prefix,
               const std::string& as) {
  std::ifstream file(path);
  std::string names, values;
  while (std::getline(file, names) && std::getline(file, values)) {
    std::istringstream name_words(names), value_words(values);
    std::string name, value;
    name_words >> name;
    value_words >> value;
    if (name != prefix) continue;
    while (name_words >> name && value_words >> value) {
      counters[as + name] = static_cast<std::uint64_t>(std::stoll(value));
    }
    return;
  }
  throw std::runtime_error("no " + prefix + " in " + path);
}

}  // namespace

Counters read_counters(const Netns& netns) {
  netns.enter();
  Counters counters;
  add_pairs(counters, "/proc/thread-self/net/snmp", "Tcp:", "Tcp");
  add_pairs(counters, "/proc/thread-self/net/netstat", "TcpExt:", "");
  return counters;
}

}  // namespace tcpdwell::test
