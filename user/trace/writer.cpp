// SPDX-License-Identifier: BSD-2-Clause
#include "trace/writer.h"

#include <string>

#include "model/json_line.h"

namespace tcpdwell {
namespace {

/// One reused line, written whole.
template <class Event>
Status write_line(Output& out, std::string& line, const Event& event) {
  line.clear();
  append_json(line, event);
  return out.write(line);
}

}  // namespace

void append_json(std::string& out, const Header& header) {
  append_json_line(out, "header", kHeaderFields, header);
}
void append_json(std::string& out, const Transition& event) {
  append_json_line(out, "transition", kTransitionFields, event);
}
void append_json(std::string& out, const Connection& connection) {
  append_json_line(out, "connection", kConnectionFields, connection);
}
void append_json(std::string& out, const Seed& seed) {
  append_json_line(out, "seed", kSeedFields, seed);
}
void append_waiting_json(std::string& out, const Listed& socket) {
  append_json_line(out, "socket", kWaitingFields, socket);
}
void append_json(std::string& out, const LocalPorts& ports) {
  append_json_line(out, "ports", kLocalPortsFields, ports);
}
void append_json(std::string& out, const NamedCgroup& named) {
  append_json_line(out, "name", kNamedFields, named);
}
void append_json(std::string& out, const Loss& loss) {
  append_json_line(out, "loss", kLossFields, loss);
}
void append_json(std::string& out, const TraceEnd& end) {
  append_json_line(out, "end", kEndFields, end);
}

Status TraceWriter::header(const Header& header) { return write_line(out_, line_, header); }
Status TraceWriter::transition(const Transition& event) { return write_line(out_, line_, event); }
Status TraceWriter::seed(const Seed& seed) { return write_line(out_, line_, seed); }
Status TraceWriter::connection(const Connection& connection) {
  return write_line(out_, line_, connection);
}
Status TraceWriter::socket(const Listed& socket) {
  line_.clear();
  append_waiting_json(line_, socket);
  return out_.write(line_);
}
Status TraceWriter::local_ports(const LocalPorts& ports) { return write_line(out_, line_, ports); }
Status TraceWriter::cgroup_name(const NamedCgroup& named) { return write_line(out_, line_, named); }
Status TraceWriter::loss(const Loss& loss) { return write_line(out_, line_, loss); }
Status TraceWriter::end(const TraceEnd& end) { return write_line(out_, line_, end); }

}  // namespace tcpdwell
