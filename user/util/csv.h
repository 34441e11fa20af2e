// SPDX-License-Identifier: BSD-2-Clause
/// Rows of CSV (RFC 4180), with the commas in their places.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "util/escape.h"

namespace tcpdwell {

/// Appends to a string. What is not known is an empty cell.
class CsvText {
 public:
  explicit CsvText(std::string& out) : out_(out) {}

  /// Any bytes (csv_field()).
  CsvText& cell(std::string_view text) {
    comma();
    out_ += csv_field(text);
    return *this;
  }
  CsvText& cell(const char* text) { return cell(std::string_view(text)); }
  CsvText& cell(const std::string& text) { return cell(std::string_view(text)); }
  template <class Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
  CsvText& cell(Number number) {
    comma();
    fmt::format_to(std::back_inserter(out_), "{}", number);
    return *this;
  }
  template <class T>
  CsvText& cell(const std::optional<T>& maybe) {
    return maybe ? cell(*maybe) : empty();
  }
  CsvText& empty() {
    comma();
    return *this;
  }
  /// What `append(std::string&)` appends is the cell.
  template <class Append>
  CsvText& bare(const Append& append) {
    comma();
    append(out_);
    return *this;
  }
  template <class... Ts>
  CsvText& cells(const Ts&... values) {
    (cell(values), ...);
    return *this;
  }
  template <class... Ts>
  CsvText& row(const Ts&... values) {
    return cells(values...).end_row();
  }
  CsvText& end_row() {
    out_ += '\n';
    first_ = true;
    return *this;
  }

 private:
  void comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }

  std::string& out_;
  bool first_ = true;
};

}  // namespace tcpdwell
