// SPDX-License-Identifier: BSD-2-Clause
/// What model/fields.h says, as values that a program can go through: its tables are types.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/fields.h"

namespace tcpdwell {

/// A kind of value, as the pages call it, as a JSON schema, as a type of ClickHouse ("" where no
/// column has it).
struct ValueKind {
  std::string called, schema, sql;
};

struct Described {
  std::string_view name, meaning, otherwise;
  Presence presence;
  ValueKind value;
  bool last_line;        ///< on a connection's last line alone
  std::string part;      ///< the first field of the part that may be missing, or ""
  std::string duration;  ///< the number whose worth this field says, or ""

  /// Every line of its kind has it.
  bool required() const { return presence != IfKnown && !last_line && part.empty(); }
};

struct LineType {
  std::string_view type;
  std::vector<Described> fields;
};

/// Every `type` there is, in the order of docs/trace.md.
std::vector<LineType> line_types();

/// docs/trace.schema.json.
std::string schema_of(const std::vector<LineType>& types);

/// A table of docs/trace.md.
std::string page_table(const std::vector<Described>& fields);
/// Lines of packaging/clickhouse/schema.sql.
std::string columns_of(const std::vector<Described>& fields);

}  // namespace tcpdwell
