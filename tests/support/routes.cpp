// SPDX-License-Identifier: BSD-2-Clause
#include "support/routes.h"

namespace tcpdwell::test {
namespace {

Route within(const char* name, const Netns& netns) {
  return {name, &netns, &netns, "127.0.0.1", "::1", "127.0.0.1", "::1"};
}

Route reversed(const Route& route, const char* name) {
  return {name,
          route.server,
          route.client,
          route.server_v4,
          route.server_v6,
          route.client_v4,
          route.client_v6,
          route.cable};
}

}  // namespace

Routes::Routes(std::uint64_t seed) {
  for (Netns* netns : {&wide_, &narrow_, &brief_, &full_}) {
    netns->set_sysctl("net.ipv4.tcp_max_tw_buckets", "500000");
    // What gets no answer gives up within seconds.
    netns->set_sysctl("net.ipv4.tcp_syn_retries", "1");
    netns->set_sysctl("net.ipv4.tcp_syn_linear_timeouts", "0");
    netns->set_sysctl("net.ipv4.tcp_synack_retries", "1");
    netns->set_sysctl("net.ipv4.tcp_orphan_retries", "3");
    netns->set_sysctl("net.ipv4.tcp_retries2", "5");
  }
  wide_.set_sysctl("net.ipv4.ip_local_port_range", "10000 65000");
  narrow_.set_sysctl("net.ipv4.ip_local_port_range", "30000 30399");
  narrow_.set_sysctl("net.ipv4.tcp_tw_reuse", "1");
  brief_.set_sysctl("net.ipv4.ip_local_port_range", "10000 65000");
  brief_.set_sysctl("net.ipv4.tcp_fin_timeout", "2");
  brief_.set_sysctl("net.ipv4.tcp_timestamps", "0");
  full_.set_sysctl("net.ipv4.tcp_max_tw_buckets", "100");
  connect_veth(wide_, narrow_, 81);
  CableOptions options;
  options.seed = seed;
  cable_.emplace(wide_, brief_, 82, options);
  const Route veth{"wide-veth-narrow", &wide_,      &narrow_,    "10.81.0.1",
                   "fd00:81::1",       "10.81.0.2", "fd00:81::2"};
  const Route cable{"wide-cable-brief", &wide_,      &brief_,      "10.82.0.1",
                    "fd00:82::1",       "10.82.0.2", "fd00:82::2", true};
  routes_ = {within("wide", wide_),
             within("narrow", narrow_),
             within("brief", brief_),
             within("full", full_),
             veth,
             reversed(veth, "narrow-veth-wide"),
             cable,
             reversed(cable, "brief-cable-wide")};
}

std::string Routes::name(const Netns& netns) const {
  for (const Route& route : routes_) {
    if (route.client == &netns && route.server == &netns) return route.name;
  }
  return "?";
}

}  // namespace tcpdwell::test
