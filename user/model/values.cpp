// SPDX-License-Identifier: BSD-2-Clause
#include "model/values.h"

#include "util/json.h"

namespace tcpdwell {

void append_value(LineText& out, const ConnId& id) {
  out.wrote(put_conn_id(out.room(kMostConnIdBytes), id));
}

void append_value(LineText& out, const Path& path) {
  for (std::size_t left = path.size(); left-- > 0;) {
    out.append_word(name_of(path.before_last(left)));
    if (left > 0) out += '>';
  }
}

void append_value(LineText& out, const EphemeralPorts& ports) {
  out += '[';
  out.append_number(ports.first);
  out += ',';
  out.append_number(ports.last);
  out += ']';
}

void append_value(LineText& out, const LossCounts& lost) {
  for (std::size_t i = 0; i < lost.size(); ++i) {
    out.append(i == 0 ? "{\"" : ",\"");
    out.append(name_of(static_cast<LossPlace>(i)));
    out.append("\":");
    out.append_number(lost[i]);
  }
  out += '}';
}

void append_value(LineText& out, const Stays& stays) {
  out += '[';
  for (const Stay& stay : stays) {
    if (&stay != stays.begin()) out += ',';
    out.append(R"({"state":")");
    out.append_word(name_of(stay.state));
    out.append(R"(","dwell_ns":)");
    if (stay.dwell.bound == Bound::Unknown)
      out.append("null");
    else
      out.append_number(stay.dwell.ns);
    out.append(R"(,"dwell":")");
    out.append_word(name_of(stay.dwell.bound));
    out.append(R"("})");
  }
  out += ']';
}

void append_value(LineText& out, const HolderList& holders) {
  std::string text;
  JsonText json(text);
  json.begin_list();
  for (const Holder& holder : holders.all)
    json.begin_object().field("pid", holder.pid).field("comm", holder.comm.view()).end_object();
  json.end_list();
  out.append(text);
}

}  // namespace tcpdwell
