// SPDX-License-Identifier: BSD-2-Clause
/// Writes events as the JSON trace of docs/trace.md: one object a line.
#pragma once

#include <string>

#include "model/event.h"
#include "model/listing.h"
#include "util/output.h"

namespace tcpdwell {

/// Appends one line, with its newline, to `out`. Field names and meanings are fixed
/// (docs/trace.md).
void append_json(std::string& out, const Header&);
void append_json(std::string& out, const Transition&);
void append_json(std::string& out, const Seed&);
void append_json(std::string& out, const Connection&);
void append_waiting_json(std::string& out, const Listed&);  ///< without its cgroup's names
void append_json(std::string& out, const LocalPorts&);
void append_json(std::string& out, const NamedCgroup&);
void append_json(std::string& out, const Loss&);
void append_json(std::string& out, const TraceEnd&);

class TraceWriter : public Consumer {
 public:
  explicit TraceWriter(Output& out) : out_(out) {}
  Status header(const Header&) override;
  Status transition(const Transition&) override;
  Status seed(const Seed&) override;
  Status connection(const Connection&) override;
  Status socket(const Listed&) override;
  Status local_ports(const LocalPorts&) override;
  Status cgroup_name(const NamedCgroup&) override;
  Status loss(const Loss&) override;
  Status end(const TraceEnd&) override;

 private:
  Output& out_;
  std::string line_;
};

}  // namespace tcpdwell
