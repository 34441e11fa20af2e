// SPDX-License-Identifier: BSD-2-Clause
#include "cli/help.h"

#include <fmt/format.h>

#include <limits>

#include "util/number.h"

namespace tcpdwell {

std::string HelpFormat::make_usage(const CLI::App*, std::string) const {
  return fmt::format("\nUsage: tcpdwell {}\n", usage_);
}

std::string HelpFormat::make_help(const CLI::App* app, std::string name,
                                  CLI::AppFormatMode mode) const {
  std::string page = CLI::Formatter::make_help(app, std::move(name), mode);
  for (std::size_t at = 0; (at = page.find("\n\n\n", at)) != std::string::npos;) page.erase(at, 1);
  while (page.size() > 1 && page.ends_with("\n\n")) page.pop_back();
  return page;
}

std::string HelpFormat::make_option_opts(const CLI::Option* option) const {
  const std::string word = value_name(*option);
  return word.empty() ? "" : " " + word;
}

std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::function<std::string(const std::string&)> whole_number_up_to(std::uint64_t most) {
  return [most](const std::string& text) -> std::string {
    const auto value = whole_number<std::uint64_t>(text).value_or(0);
    if (value != 0 && value <= most) return "";
    const bool bounded = most != std::numeric_limits<std::uint64_t>::max();
    return fmt::format("'{}' is no whole number of 1 or more{}", text,
                       bounded ? fmt::format(", at most {}", most) : "");
  };
}

}  // namespace tcpdwell
