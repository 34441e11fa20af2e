// SPDX-License-Identifier: BSD-2-Clause
#include "cli/outline.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "cli/commands.h"
#include "cli/help.h"
#include "model/state.h"

namespace tcpdwell {
namespace {

OptionOutline outline_of(const CLI::Option& option) {
  OptionOutline made;
  for (const std::string& name : option.get_snames()) made.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) made.names.push_back("--" + name);
  made.positional = made.names.empty();
  if (made.positional) made.names.push_back(option.get_name(true));
  made.value = value_name(option);
  made.text = option.get_description();
  made.group = option.get_group();
  return made;
}

CommandOutline outline_of(const CLI::App& app) {
  CommandOutline made;
  made.name = app.get_parent() == nullptr ? "" : app.get_name();
  made.summary = app.get_description();
  made.footer = app.get_footer();
  if (const auto* format = dynamic_cast<const HelpFormat*>(app.get_formatter().get()))
    made.usage = format->usage();
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty()) made.options.push_back(outline_of(*option));
  return made;
}

/// Without what stands between `open` and its end: "html (a page)".
std::string without(std::string text, char open, char close) {
  for (std::size_t from = 0; (from = text.find(open)) != std::string::npos;) {
    const std::size_t to = text.find(close, from);
    text.erase(from, to == std::string::npos ? to : to - from + 1);
  }
  return text;
}

bool is_choice(std::string_view word) {
  return !word.empty() &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-0123456789") == std::string_view::npos;
}

}  // namespace

std::vector<std::string> OptionOutline::choices() const {
  const auto named = [this](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::string> words;
  if (named("--state") || named("STATE")) {
    for (unsigned state = 1; state < kStateCount; ++state) {
      std::string word(name_of(static_cast<State>(state)));
      for (char& c : word)
        c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
      words.push_back(std::move(word));
    }
    return words;
  }
  if (value != "FORMAT" && value != "HOW" && value != "NAME" && !named("--by")) return {};
  std::string rest = without(without(text, '(', ')'), '[', ']');
  if (const std::size_t colon = rest.find(':'); colon != std::string::npos)
    rest.erase(0, colon + 1);
  if (const std::size_t among = rest.find("among "); among != std::string::npos)
    rest.erase(0, among + 6);
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t end = std::min(rest.find_first_of(" ,\n", at), rest.size());
    const std::string word = rest.substr(at, end - at);
    at = end + 1;
    if (word.empty() || word == "or") continue;
    if (!is_choice(word)) return {};
    words.push_back(word);
  }
  return words;
}

std::vector<CommandOutline> outline() {
  CLI::App app;
  Invocation invocation;
  offer_commands(app, invocation);
  std::vector<CommandOutline> made{outline_of(app)};
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (!command->get_group().empty()) made.push_back(outline_of(*command));
  return made;
}

}  // namespace tcpdwell
