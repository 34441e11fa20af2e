// SPDX-License-Identifier: BSD-2-Clause
#include "model/analysis.h"

namespace tcpdwell {

std::string PortRow::local_text() const { return address_text(family, local, iface); }

std::string PortRow::remote_text() const {
  if (any_remote) return "any";
  return endpoint_text(family, remote, is_link_local(family, remote) ? iface : Comm());
}

}  // namespace tcpdwell
