// SPDX-License-Identifier: BSD-2-Clause
/// The parts of a report as members of a JSON object: the page holds them too.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "model/analysis.h"
#include "util/json.h"

namespace tcpdwell {

/// The first of `rows`, `most` at most.
template <class Row>
std::span<const Row> first(const std::vector<Row>& rows, std::size_t most) {
  return std::span(rows).first(std::min(rows.size(), most));
}

void add_findings(JsonText& json, const std::vector<Finding>& findings);
void add_ends(JsonText& json, const std::vector<EndRow>& ends);
void add_ports(JsonText& json, std::span<const PortRow> ports);
void add_local_ports(JsonText& json, const std::vector<NamespacePorts>& namespaces);
/// Dwells per state, ten bins a decade: what a picture can show.
void add_distributions(JsonText& json, const std::vector<Edge>& edges);
void add_edges(JsonText& json, const std::vector<Edge>& edges);
void add_connection(JsonText& json, const ConnectionRow& connection);
void add_connections(JsonText& json, std::string_view name,
                     std::span<const ConnectionRow> connections);
void add_series(JsonText& json, const Series& series);

}  // namespace tcpdwell
