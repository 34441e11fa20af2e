// SPDX-License-Identifier: BSD-2-Clause
/// How `--help` looks, and how a number on the command line is checked.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace tcpdwell {

/// CLI11's pages with a usage line that names the words after `--`, without what it adds to a type
/// (the names of checks, "REQUIRED", "..." where a list is separated by commas).
class HelpFormat : public CLI::Formatter {
 public:
  /// `usage` is what follows "tcpdwell ".
  explicit HelpFormat(std::string usage) : usage_(std::move(usage)) { column_width(25); }
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  const std::string& usage() const { return usage_; }

 private:
  std::string usage_;
};

/// What an option takes, as help names it ("LIST", "DURATION"); "" for a flag.
std::string value_name(const CLI::Option& option);

/// A check for CLI11: digits alone, between 1 and `most`.
std::function<std::string(const std::string&)> whole_number_up_to(std::uint64_t most);

}  // namespace tcpdwell
