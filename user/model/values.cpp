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

void append_value(std::string& out, const Stays& stays) {
  out += '[';
  for (const Stay& stay : stays) {
    out += &stay == stays.begin() ? R"({"state":")" : R"(,{"state":")";
    out += name_of(stay.state);
    out += R"(","dwell_ns":)";
    if (stay.dwell.bound == Bound::Unknown)
      out += "null";
    else
      append_value(out, stay.dwell.ns);
    out += R"(,"dwell":")";
    out += name_of(stay.dwell.bound);
    out += R"("})";
  }
  out += ']';
}

void append_value(std::string& out, const HolderList& holders) {
  JsonText json(out);
  json.begin_list();
  for (const Holder& holder : holders.all)
    json.begin_object().field("pid", holder.pid).field("comm", holder.comm.view()).end_object();
  json.end_list();
}

}  // namespace tcpdwell
