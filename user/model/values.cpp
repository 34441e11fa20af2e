// SPDX-License-Identifier: BSD-2-Clause
#include "model/values.h"

#include "util/json.h"

namespace tcpdwell {

void append_value(std::string& out, const EphemeralPorts& ports) {
  JsonText(out).begin_list().value(ports.first).value(ports.last).end_list();
}

void append_value(std::string& out, const LossCounts& lost) {
  JsonText json(out);
  json.begin_object();
  for (std::size_t i = 0; i < lost.size(); ++i)
    json.field(name_of(static_cast<LossPlace>(i)), lost[i]);
  json.end_object();
}

}  // namespace tcpdwell
