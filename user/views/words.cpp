// SPDX-License-Identifier: BSD-2-Clause
#include "views/words.h"

#include <fmt/format.h>

#include "util/duration.h"
#include "util/escape.h"

namespace tcpdwell {

std::string age_text(const Dwell& age) {
  if (age.bound == Bound::Unknown) return "?";
  return (age.bound == Bound::AtLeast ? ">=" : "") + human_duration(age.ns);
}

std::string address_and_port(Family family, const Endpoint& endpoint) {
  const std::string address = address_text(family, endpoint);
  const std::string port = endpoint.port == 0 ? "*" : std::to_string(endpoint.port);
  return family == Family::V6 ? fmt::format("[{}]:{}", address, port)
                              : fmt::format("{}:{}", address, port);
}

std::string owner_text(const Owner& owner) {
  if (!owner.pid) return owner.comm.view().empty() ? "?" : printable(owner.comm.view());
  return fmt::format("{}/{}", *owner.pid, printable(owner.comm.view()));
}

}  // namespace tcpdwell
