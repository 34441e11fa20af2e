// SPDX-License-Identifier: BSD-2-Clause
/// The observed state diagram: an arrow for every kind of transition that was seen.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/analysis.h"
#include "util/output.h"

namespace tcpdwell {

Status write_diagram_dot(Output& out, const std::vector<Edge>& edges);
/// A picture of its own, in light and dark.
Status write_diagram_svg(Output& out, const std::vector<Edge>& edges);
enum class DiagramKind : std::uint8_t {
  Alone,    ///< a picture of its own, with its colours
  Across,   ///< to stand in a page, which has the colours (page/style.css)
  Upright,  ///< the same, for a narrow one
};
/// With `sockets`, states say how many are in them now.
void append_diagram_svg(std::string& out, const std::vector<Edge>& edges, DiagramKind kind,
                        const std::array<std::uint64_t, kStateCount>* sockets = nullptr);

}  // namespace tcpdwell
